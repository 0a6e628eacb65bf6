package conformance

import "net/http"

func etagChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-040", "B2B-ORGTHR-007"}, "a thread lists its participants in the order in which they joined", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			t.tick()
			h.addParticipant(id, h.Cyd, "late")
			for _, r := range []*Response{t.Get(thr(id), h.Ann.Scoped("read")), t.Get(othr(id), h.Admin), t.Get(othr(id), h.Human())} {
				r.OK().Shape("", threadShape+" participant_count:i participants:a").Equal("participant_count", 3).Len("participants", 3)
				r.Equal("participants.2.bot_id", h.Cyd.ID).Equal("participants.2.label", "late").Equal("participants.2.name", "cyd").Equal("participants.2.online", false)
				if r.Num("participants.2.joined_at") <= r.Num("participants.0.joined_at") {
					r.errorf("the last participant to join does not have the latest joined_at")
				}
			}
		}},
		{[]string{"B2B-THR-041", "B2B-THR-042", "B2B-THR-043", "B2B-ORGTHR-007"}, "If-None-Match returns 304 for an unchanged thread", ifNoneMatch},
		{[]string{"B2B-THR-044"}, "HEAD has the response of GET without a body", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			t.Do("HEAD", thr(id), h.Ann, nil).Status(200).Empty().etag(`"1"`)
			t.Do("HEAD", thr(id), h.Ann, nil, Header("If-None-Match", `"1"`)).Status(304).Empty()
			t.Do("HEAD", thr(id), h.Cyd, nil).Status(403).Empty()
			t.Do("HEAD", thr(unusedID), h.Ann, nil).Status(404).Empty()
			t.Do("HEAD", "/api/threads", h.Ann, nil).Status(200).Empty()
		}},
		{[]string{"B2B-THR-045", "B2B-THR-046", "B2B-THR-041"}, "a PATCH with If-Match fails if the thread has another revision", ifMatch},
	}
}

// etag asserts the ETag header.
func (r *Response) etag(want string) *Response {
	if got := r.Header.Get("ETag"); got != want {
		r.errorf("ETag is %q, want %q", got, want)
	}
	return r
}

func ifNoneMatch(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	t.patch(h.Ann, id, J{"topic": "second"}).Equal("revision", 2).etag(`"2"`)
	for path, c := range map[string]Caller{thr(id): h.Bob, othr(id): h.Admin} {
		get := func(value string, more ...Option) *Response {
			return t.Get(path, c, append(more, Header("If-None-Match", value))...)
		}
		t.Get(path, c).OK().etag(`"2"`)
		for _, match := range []string{`"2"`, `W/"2"`, `*`, `"1", "2"`, `"1",W/"2","9"`} {
			get(match).Status(304).Empty().etag(`"2"`)
			get(match, Header("Cache-Control", "no-cache")).OK().etag(`"2"`).Equal("revision", 2)
		}
		for _, other := range []string{`"1"`, `"22"`, `W/"1"`, `"1", "3"`} {
			get(other).OK().Equal("revision", 2)
		}
	}
	for _, match := range []string{`"2"`, `*`} {
		t.Get(thr(id), h.Cyd, Header("If-None-Match", match)).Refused(403, "JOIN_REQUIRED")
		t.Get(thr(unusedID), h.Ann, Header("If-None-Match", match)).Refused(404, "NOT_FOUND")
	}
	t.patch(h.Ann, id, J{"topic": "third"}).etag(`"3"`)
	t.Get(thr(id), h.Ann, Header("If-None-Match", `"2"`)).OK().etag(`"3"`).Equal("topic", "third")
}

func ifMatch(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	patch := func(match string, body J) *Response {
		return t.Do("PATCH", thr(id), h.Ann, body, Header("If-Match", match))
	}
	rev := 1
	for _, match := range []string{`"1"`, `2`, `W/"3"`, `*`} {
		rev++
		patch(match, J{"topic": match}).OK().Equal("revision", rev).Equal("topic", match).etag(`"` + string(rune('0'+rev)) + `"`)
	}
	bodies := []J{{"topic": "x"}, {"context": "x"}, {"status": "blocked"}, {"permission_policy": J{}}, {"visibility": "members"}, {"join_policy": "approval"}, {"visibility": "public", "join_policy": "open"}}
	for _, body := range bodies {
		for _, stale := range []string{`"1"`, `4`, `W/"2"`, `"6"`, `"55"`} {
			patch(stale, body).Refused(409, "REVISION_CONFLICT")
		}
		patch("abc", body).Refused(400, "VALIDATION_ERROR")
		patch(`"abc"`, body).Refused(400, "VALIDATION_ERROR")
	}
	for _, stale := range []string{`"1", "2"`, `"1",W/"2" ,4`} {
		patch(stale, J{"topic": "x"}).Refused(409, "REVISION_CONFLICT")
	}
	patch(`"5", x`, J{"topic": "x"}).Refused(400, "VALIDATION_ERROR")
	r := t.Get(thr(id), h.Ann).OK().Equal("revision", 5).Equal("topic", "*").Equal("context", nil).Equal("status", "active")
	r.Equal("permission_policy", nil).Equal("visibility", "public").Equal("join_policy", "open")
	patch(`"5"`, J{"visibility": "members"}).OK().Equal("revision", 6).Equal("visibility", "members")
	patch(`"1", "6"`, J{"topic": "one of two"}).OK().Equal("revision", 7)
	twoLines := func(h http.Header) { h["If-Match"] = []string{`"1"`, `"7"`} }
	t.Do("PATCH", thr(id), h.Ann, J{"topic": "two lines"}, twoLines).OK().Equal("revision", 8)
	t.Do("PATCH", thr(id), h.Ann, J{"topic": "x"}, twoLines).Refused(409, "REVISION_CONFLICT")
}
