package conformance

import (
	"encoding/json"
	"reflect"
	"strings"
)

const threadShape = "id:s org_id:s topic:s tags:[s]? status:=active|blocked|reviewing|resolved|closed initiator_id:s? channel_id:s? context:s? close_reason:s? " +
	"permission_policy:s? visibility:=public|members|private join_policy:=open|approval|invite_only revision:i created_at:i updated_at:i last_activity_at:i resolved_at:i?"

// badPolicies returns permission policies that are rejected everywhere.
func badPolicies() []any {
	return []any{
		[]any{}, []any{"write"}, []any{1}, "{}", 5, true, J{"bogus": []string{}}, J{"write": nil, "Write": nil}, J{"write": "ann"}, J{"write": 5}, J{"write": J{}}, J{"write": true},
		J{"write": []any{1}}, J{"write": []any{"a", nil}}, J{"write": []any{[]any{}}}, J{"manage": []string{"1", "2", "3", "4", "5", "6"}}, J{"write": []string{strings.Repeat("x", 16384)}},
	}
}

// goodPolicies returns permission policies that are accepted and returned unchanged.
func goodPolicies() []J {
	return []J{
		{}, {"write": nil}, {"write": []string{}}, {"write": []string{"1", "2", "3", "4", "5"}}, {"write": []string{"a", "a"}}, {"write": []string{"", " spaced ", "*"}},
		{"resolve": []string{"*"}, "close": []string{"initiator"}, "invite": nil, "remove": []string{"lead"}, "write": []string{"x"}, "manage": []string{"initiator"}},
	}
}

// policyText asserts that permission_policy is a string with the JSON of want.
func (r *Response) policyText(want any) *Response {
	var got any
	if err := json.Unmarshal([]byte(r.Str("permission_policy")), &got); err != nil {
		return r.errorf("permission_policy is not JSON text: %v", err)
	}
	if !reflect.DeepEqual(normal(got), normal(want)) {
		r.errorf("permission_policy is %s, want %s", show(got), show(want))
	}
	return r
}

func threadChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-001", "B2B-THR-002", "B2B-THR-012"}, "a new thread has the default values", newThreadDefaults},
		{[]string{"B2B-THR-003"}, "a thread needs a topic", func(t *T) {
			h := newFixture(t)
			h.create(J{"topic": "  padded \t"}).OK().Equal("topic", "padded")
			h.create(J{"topic": strings.Repeat("x", 512)}).OK()
			for _, topic := range []any{"", " ", "\n\t ", nil, 5, true, []string{"x"}, J{}, strings.Repeat("x", 513)} {
				h.create(J{"topic": topic}).Refused(400, "VALIDATION_ERROR")
			}
			t.Do("POST", "/api/threads", h.Ann, J{}).Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-THR-004"}, "tags are trimmed, and at most ten are allowed", threadTags},
		{[]string{"B2B-THR-005", "B2B-THR-006"}, "participants of a new thread can be given by id or name", threadParticipants},
		{[]string{"B2B-THR-007"}, "channel_id must be a channel of the caller", func(t *T) {
			h, other := newFixture(t), newFixture(t)
			own, alien := t.dm(h.Ann, "bob", "x").Str("channel_id"), t.dm(h.Bob, "cyd", "x").Str("channel_id")
			foreign := t.dm(other.Ann, "bob", "x").Str("channel_id")
			h.create(J{"channel_id": own}).OK().Equal("channel_id", own)
			h.create(J{"channel_id": nil}).OK().Equal("channel_id", nil)
			for _, id := range []any{unusedID, "", alien, foreign, 5, J{}} {
				h.create(J{"channel_id": id}).Refused(400, "VALIDATION_ERROR")
			}
		}},
		{[]string{"B2B-THR-008"}, "context is returned as a string", threadContext},
		{[]string{"B2B-LIM-005", "B2B-THR-003", "B2B-THR-004"}, "topics and tags are trimmed like ECMAScript trim()", func(t *T) {
			h := newFixture(t)
			const space = "\t\v\f\n\r \u00a0\u1680\u2003\u202f\u205f\u3000\u2028\u2029\ufeff"
			h.create(J{"topic": space + "a b" + space, "tags": []string{space + "c" + space, space}}).OK().Equal("topic", "a b").Equal("tags", []string{"c"})
			h.create(J{"topic": "\u0085a\u200b", "tags": []string{"\u0085"}}).OK().Equal("topic", "\u0085a\u200b").Equal("tags", []string{"\u0085"})
			h.create(J{"topic": space}).Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-THR-009", "B2B-THR-070"}, "a permission policy is validated and stored", threadPolicy},
		{[]string{"B2B-THR-010", "B2B-THR-011"}, "visibility and join policy have the specified values, and private implies invite_only", visibilityCells},
	}
}

func threadTags(t *T) {
	h := newFixture(t)
	ten := strings.Fields("a b c d e f g h i j")
	for _, c := range []struct{ sent, read any }{
		{nil, nil}, {[]string{}, []string{}}, {[]string{" docs ", ""}, []string{"docs"}}, {[]string{"", " "}, []string{}}, {ten, ten}, {[]string{"a", "a"}, []string{"a", "a"}},
	} {
		r := h.create(J{"tags": c.sent}).OK().Equal("tags", c.read)
		t.Get(thr(r.Str("id")), h.Ann).OK().Equal("tags", c.read)
	}
	h.create(nil).OK().Equal("tags", nil)
	for _, tags := range []any{"docs", 5, J{}, []any{5}, []any{nil}, append(ten, "k"), append(ten, "")} {
		h.create(J{"tags": tags}).Refused(400, "VALIDATION_ERROR")
	}
}

func threadContext(t *T) {
	h := newFixture(t)
	for _, c := range []struct{ sent, read any }{
		{"plain text", "plain text"}, {"", ""}, {`{"a": 1}`, `{"a": 1}`}, {J{"ticket": 42}, `{"ticket":42}`}, {[]any{1, "x"}, `[1,"x"]`}, {5, "5"}, {true, "true"}, {nil, nil},
	} {
		id := h.create(J{"context": c.sent}).OK().Equal("context", c.read).Str("id")
		t.Get(thr(id), h.Bob).OK().Equal("context", c.read)
		t.patch(h.Ann, id, J{"context": "other"}).Equal("context", "other")
		t.patch(h.Ann, id, J{"context": c.sent}).Equal("context", c.read)
	}
	h.create(nil).OK().Equal("context", nil)
	sent, read := `{ "z": [ 1.0, 1e2 ],  "a" : "a b" }`, `{"z":[1.0,1e2],"a":"a b"}`
	body := Raw(`{"topic": "x", "context": ` + sent + `, "permission_policy": { "write": [ "b", "a" ], "close": null }}`)
	t.Do("POST", "/api/threads", h.Ann, body, Header("Content-Type", "application/json")).OK().
		Equal("context", read).Equal("permission_policy", `{"write":["b","a"],"close":null}`)
}

func threadPolicy(t *T) {
	h := newFixture(t)
	id, plain := h.thread(nil), h.create(J{"permission_policy": nil}).OK().Equal("permission_policy", nil)
	for _, p := range goodPolicies() {
		r := h.create(J{"permission_policy": p}).OK().policyText(p)
		t.Get(thr(r.Str("id")), h.Bob).OK().policyText(p)
		t.Do("PATCH", othr(id), h.Admin, J{"permission_policy": p}).OK().policyText(p)
	}
	for _, p := range badPolicies() {
		h.create(J{"permission_policy": p}).Refused(400, "VALIDATION_ERROR")
		t.Do("PATCH", thr(plain.Str("id")), h.Ann, J{"permission_policy": p}).Refused(400, "VALIDATION_ERROR")
		t.Do("PATCH", othr(id), h.Admin, J{"permission_policy": p}).Refused(400, "VALIDATION_ERROR")
	}
	t.Do("PATCH", othr(id), h.Admin, J{"permission_policy": nil}).OK().Equal("permission_policy", nil)
	t.patch(h.Ann, id, J{"permission_policy": J{"write": nil}}).policyText(J{"write": nil})
	t.patch(h.Ann, id, J{"permission_policy": nil}).Equal("permission_policy", nil)
}

func newThreadDefaults(t *T) {
	h := newFixture(t)
	r := t.Do("POST", "/api/threads", h.Ann, J{"topic": "Release notes", "tags": []string{"docs"}, "participants": []string{"bob"}}).OK()
	if got := r.Header.Get("ETag"); got != `"1"` {
		r.errorf("ETag %q, want %q", got, `"1"`)
	}
	r.Shape("", threadShape).Equal("topic", "Release notes").Equal("status", "active").Equal("revision", 1).Equal("visibility", "public").Equal("join_policy", "open")
	r.Equal("initiator_id", h.Ann.ID).Equal("org_id", h.ID).Equal("updated_at", r.Value("created_at")).Equal("last_activity_at", r.Value("created_at"))
	for _, null := range []string{"channel_id", "context", "close_reason", "permission_policy", "resolved_at"} {
		r.Equal(null, nil)
	}
	id := r.Str("id")
	full := t.Get(thr(id), h.Bob).OK().Shape("", threadShape).Equal("participant_count", 2).Len("participants", 2)
	for _, b := range []*Bot{h.Ann, h.Bob} {
		t.Shape("participant", full.Find("participants", "bot_id", b.ID), "name:="+b.Name+" online:b label:s? joined_at:i")
	}
	full.Equal("participants.0.label", nil).Equal("participants.1.label", nil).Equal("participants.0.joined_at", full.Value("participants.1.joined_at"))
	full.Equal("revision", 1)
	h.auditedAs("thread.create", id, h.Ann.ID, J{"topic": "Release notes", "tags": []string{"docs"}})
	solo := t.Do("POST", "/api/threads", h.Ann, J{"topic": "alone"}).OK().Str("id")
	t.Get(thr(solo), h.Ann).OK().Equal("participant_count", 1).Equal("participants.0.bot_id", h.Ann.ID)
}

func threadParticipants(t *T) {
	h, other := newFixture(t), newFixture(t)
	stranger := other.Bot("stranger")
	count := func(participants any) *Response {
		id := h.create(J{"participants": participants}).OK().Str("id")
		return t.Get(thr(id), h.Ann).OK()
	}
	count([]string{}).Equal("participant_count", 1)
	count([]string{"bob", "cyd"}).Equal("participant_count", 3)
	count([]string{h.Bob.ID}).Equal("participant_count", 2).Find("participants", "bot_id", h.Bob.ID)
	count([]string{"bob", h.Bob.ID, "bob", "ann", h.Ann.ID}).Equal("participant_count", 2)
	for _, p := range []any{nil, "bob", 5, J{}, []any{5}, []any{nil}, []string{"nobody"}, []string{"bob", unusedID}, []string{"Bob"}, []string{""}, []string{stranger.ID}, []string{"stranger"}} {
		h.create(J{"participants": p}).Refused(400, "VALIDATION_ERROR")
	}
	h.create(J{"participants": []string{"bob", "nobody"}}).Refused(400, "VALIDATION_ERROR").errorContains("Bot not found")
	pam := h.PendingBot("pam")
	h.create(J{"participants": []string{"bob", "pam"}}).Refused(400, "BOT_NOT_ACTIVE")
	h.create(J{"participants": []string{pam.ID}}).Refused(400, "BOT_NOT_ACTIVE")
	pam.SetStatus("rejected")
	h.create(J{"participants": []string{"pam"}}).Refused(400, "BOT_NOT_ACTIVE")
	pam.SetStatus("active")
	h.create(J{"participants": []string{"pam"}}).OK()
}

func visibilityCells(t *T) {
	h := newFixture(t)
	visibilities, policies := []any{"public", "members", "private", nil}, []any{"open", "approval", "invite_only", nil}
	for _, v := range visibilities {
		for _, p := range policies {
			wantV, wantP := v, p
			if v == nil {
				wantV = "public"
			}
			if p == nil {
				wantP = "open"
			}
			if v == "private" {
				wantP = "invite_only"
			}
			h.create(J{"visibility": v, "join_policy": p}).OK().Equal("visibility", wantV).Equal("join_policy", wantP)
			if v == nil || p == nil {
				continue
			}
			id := h.thread(nil)
			t.patch(h.Ann, id, J{"visibility": v, "join_policy": p}).Equal("visibility", wantV).Equal("join_policy", wantP)
			org := h.thread(nil)
			t.Do("PATCH", othr(org), h.Admin, J{"visibility": v, "join_policy": p}).OK().Equal("visibility", wantV).Equal("join_policy", wantP)
		}
	}
	id := h.thread(J{"join_policy": "approval"})
	t.patch(h.Ann, id, J{"visibility": "private"}).Equal("join_policy", "invite_only")
	t.patch(h.Ann, id, J{"join_policy": "open"}).Equal("join_policy", "invite_only")
	t.patch(h.Ann, id, J{"visibility": "members"}).Equal("join_policy", "invite_only")
	t.patch(h.Ann, id, J{"join_policy": "open"}).Equal("join_policy", "open")
	for _, bad := range []any{"secret", "PUBLIC", "Open", 5, true, J{}} {
		for _, key := range []string{"visibility", "join_policy"} {
			h.create(J{key: bad}).Refused(400, "VALIDATION_ERROR")
			t.Do("PATCH", thr(id), h.Ann, J{key: bad}).Refused(400, "VALIDATION_ERROR")
			t.Do("PATCH", othr(id), h.Admin, J{key: bad}).Refused(400, "VALIDATION_ERROR")
		}
	}
	if r := t.Get(thr(id), h.Ann).OK(); r.Value("visibility") != "members" || r.Value("join_policy") != "open" {
		r.errorf("a rejected value was stored")
	}
}
