package conformance

import "strconv"

func rateChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-081", "B2B-THR-083", "B2B-THR-084"}, "direct and thread messages share one limit per bot", messageLimit},
		{[]string{"B2B-THR-082", "B2B-THR-083", "B2B-THR-084"}, "created threads have a limit of their own", threadLimit},
		{[]string{"B2B-THR-085", "B2B-THR-081"}, "an owner's messages consume the bot's limit", func(t *T) {
			h := newHall(t)
			id := h.thread(nil)
			owner := h.Ann.Login()
			h.Settings(J{"messages_per_minute_per_bot": 2})
			t.say(owner, id, "one")
			t.say(h.Ann, id, "two")
			t.Do("POST", thr(id, "/messages"), owner, J{"content": "three"}).limited(60)
			t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "three"}).limited(60)
		}},
		{[]string{"B2B-THR-081", "B2B-THR-082"}, "the limits hold under a race", func(t *T) {
			h := newHall(t)
			h.Settings(J{"messages_per_minute_per_bot": 5})
			passed := make([]bool, 16)
			t.Concurrently(len(passed), func(i int) {
				r := t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "content": "x"})
				if passed[i] = r.StatusCode() == 200; !passed[i] {
					r.limited(60)
				}
			})
			n := 0
			for _, ok := range passed {
				if ok {
					n++
				}
			}
			if n != 5 {
				t.Errorf("%d of 16 messages sent at once passed a limit of 5", n)
			}
		}},
	}
}

// limited asserts a 429 that says when to come back, at most window seconds from now.
func (r *Response) limited(window int) *Response {
	r.Refused(429, "RATE_LIMITED").Shape("", "retry_after:i")
	header := r.Header.Get("Retry-After")
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 1 || seconds > window {
		return r.errorf("Retry-After is %q, want 1 to %d seconds", header, window)
	}
	return r.Equal("retry_after", seconds)
}

func messageLimit(t *T) {
	h := newHall(t)
	id := h.thread(nil)
	h.Settings(J{"messages_per_minute_per_bot": 3})
	direct := func(c Caller, body J) *Response { return t.Do("POST", "/api/send", c, body) }
	inThread := func(c Caller, body J) *Response { return t.Do("POST", thr(id, "/messages"), c, body) }
	for range 4 {
		direct(h.Ann, J{"to": "bob"}).Refused(400, "VALIDATION_ERROR")
		direct(h.Ann, J{"content": "x"}).Refused(400, "VALIDATION_ERROR")
		direct(h.Ann, J{"to": "bob", "content": "x", "parts": []J{{"type": "video"}}}).Refused(400, "VALIDATION_ERROR")
		inThread(h.Ann, J{"content": ""}).Refused(400, "VALIDATION_ERROR")
		inThread(h.Ann, J{"content": 5}).Refused(400, "VALIDATION_ERROR")
	}
	direct(h.Ann, J{"to": "bob", "content": "one"}).OK()
	inThread(h.Ann, J{"content": "two"}).OK()
	direct(h.Ann.Scoped("message"), J{"to": "bob", "content": "three"}).OK()
	for range 2 {
		direct(h.Ann, J{"to": "bob", "content": "four"}).limited(60)
		inThread(h.Ann, J{"content": "four"}).limited(60)
	}
	inThread(h.Bob, J{"content": "another bot's"}).OK()
	h.create(nil).OK()
	t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k", "content": "x"}).OK()
	h.Settings(J{"messages_per_minute_per_bot": 4})
	direct(h.Ann, J{"to": "bob", "content": "four"}).OK()
	inThread(h.Ann, J{"content": "five"}).limited(60)
}

func threadLimit(t *T) {
	h := newHall(t)
	h.Settings(J{"threads_per_hour_per_bot": 2})
	for range 3 {
		h.create(J{"topic": ""}).Refused(400, "VALIDATION_ERROR")
		h.create(J{"participants": []string{"nobody"}}).Refused(400, "VALIDATION_ERROR")
	}
	id := h.thread(nil)
	h.thread(nil)
	h.create(nil).limited(3600)
	t.Do("POST", "/api/threads", h.Bob, J{"topic": "another bot's"}).OK()
	t.dm(h.Ann, "bob", "messages count apart")
	t.patch(h.Ann, id, J{"topic": "updates do not count"})
	h.Settings(J{"threads_per_hour_per_bot": 3})
	h.thread(nil)
	h.create(nil).limited(3600)
}
