package conformance

import (
	"encoding/base64"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

func rateChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-081", "B2B-THR-083", "B2B-THR-084"}, "direct and thread messages count toward one limit per bot", messageLimit},
		{[]string{"B2B-THR-082", "B2B-THR-083", "B2B-THR-084"}, "created threads have a separate limit", threadLimit},
		{[]string{"B2B-THR-085", "B2B-THR-081"}, "messages of an owner session count toward the limit of its bot", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			owner := h.Ann.Login()
			h.Settings(J{"messages_per_minute_per_bot": 2})
			t.say(owner, id, "one")
			t.say(h.Ann, id, "two")
			t.Do("POST", thr(id, "/messages"), owner, J{"content": "three"}).limited(60)
			t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "three"}).limited(60)
		}},
		{[]string{"B2B-ERR-004", "B2B-THR-083"}, "REST, Connect and WebSocket errors say when to retry", retryAfter},
		{[]string{"B2B-THR-081", "B2B-THR-082"}, "concurrent messages do not exceed the limit", func(t *T) {
			h := newFixture(t)
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
				t.Errorf("%d of 16 concurrent messages were accepted with a limit of 5", n)
			}
		}},
	}
}

// limited asserts status 429 with a retry time of at most window seconds.
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
	h := newFixture(t)
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
	h := newFixture(t)
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

// retryAfter exceeds a limit over each binding and asserts the retry time. It skips Connect if the
// server does not support it.
func retryAfter(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	const send = connect + "ChannelService/SendDirectMessage"
	body := J{"to": "bob", "content": "x"}
	hasConnect := t.Do("POST", send, s.Ann, body, Header("Connect-Protocol-Version", "1")).StatusCode() == 200
	s.Settings(J{"messages_per_minute_per_bot": 1})
	t.Do("POST", "/api/send", s.Ann, body) // reaches the limit if the call above did not
	t.Do("POST", "/api/send", s.Ann, body).limited(60)
	refused := ann.refuses("RATE_LIMITED", J{"type": "send_dm", "to": "bob", "content": "x"})
	if wait := refused.Num("retry_after"); wait < 1 || wait > 60 || wait != float64(int(wait)) {
		ann.errorf("retry_after is %v", wait)
	}
	if !hasConnect {
		return
	}
	r := t.Do("POST", send, s.Ann, body, Header("Connect-Protocol-Version", "1")).Status(429).Equal("code", "resource_exhausted")
	header, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || header < 1 || header > 60 {
		r.errorf("Retry-After is %q, want 1 to 60 seconds", r.Header.Get("Retry-After"))
	}
	r.Equal("details.0.type", "b2b.v1.ErrorDetail")
	if wait, ok := detailNumber(r.Str("details.0.value"), 3); !ok || int(wait) != header {
		r.errorf("retry_after of the detail is %d, Retry-After %d", wait, header)
	}
	if retryable, _ := detailNumber(r.Str("details.0.value"), 4); retryable != 1 {
		r.errorf("the detail does not have retryable set")
	}
}

// detailNumber returns a numeric field of an encoded error detail, by its field number.
func detailNumber(encoded string, field protowire.Number) (uint64, bool) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	for err == nil && len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			break
		}
		b = b[n:]
		if number == field && kind == protowire.VarintType {
			value, n := protowire.ConsumeVarint(b)
			return value, n > 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			break
		}
		b = b[n:]
	}
	return 0, false
}
