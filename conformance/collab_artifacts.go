package conformance

import (
	"slices"
	"strings"
)

const artifactShape = "id:s thread_id:s artifact_key:s type:=text|markdown|json|code|file|link title:s? content:s? language:s? url:s? mime_type:s? contributor_id:s? version:i format_warning:b created_at:i updated_at:i"

func artifactChecks() []Check {
	return []Check{
		{[]string{"B2B-ART-001", "B2B-ART-002", "B2B-THR-080"}, "artifacts of all six types can be added", artifactTypes},
		{[]string{"B2B-ART-003", "B2B-ART-005", "B2B-THR-087"}, "artifact keys are validated and unique in a thread", func(t *T) {
			h := newFixture(t)
			id, other := h.thread(nil), h.thread(nil)
			add := func(thread string, key any) *Response {
				return t.Do("POST", thr(thread, "/artifacts"), h.Ann, J{"artifact_key": key, "content": "x"})
			}
			for _, key := range []string{"a", "plan.v1", "A-Z_0~9", "...", "-", strings.Repeat("k", 256)} {
				add(id, key).OK().Equal("artifact_key", key)
				add(id, key).Refused(409, "CONFLICT")
				add(other, key).OK().Equal("version", 1)
				t.Do("PATCH", thr(id, "/artifacts/", key), h.Bob, J{"content": "y"}).OK().Equal("version", 2)
				t.Get(thr(id, "/artifacts/", key, "/versions"), h.Bob).OK().Len("", 2)
			}
			add(id, "A").OK() // case matters
			for _, key := range []any{"", " ", "a b", "a/b", "é", "a+b", "a:b", "a\n", ".", "..", strings.Repeat("k", 257)} {
				add(id, key).Refused(400, "VALIDATION_ERROR").errorContains("artifact_key")
			}
			for _, key := range []any{nil, 5, true, []string{"a"}, J{}} {
				add(id, key).Refused(400, "VALIDATION_ERROR")
			}
			t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"content": "x"}).Refused(400, "VALIDATION_ERROR").errorContains("artifact_key")
			for _, path := range []string{"a%20b", "a%2Fb", "%C3%A9", "a+b", strings.Repeat("k", 257)} {
				t.Do("PATCH", thr(id, "/artifacts/", path), h.Ann, J{"content": "x"}).Refused(400, "VALIDATION_ERROR")
				t.Get(thr(id, "/artifacts/", path, "/versions"), h.Ann).Refused(400, "VALIDATION_ERROR")
			}
		}},
		{[]string{"B2B-ART-004"}, "artifact fields must have the specified types", func(t *T) {
			h := newFixture(t)
			path := thr(h.thread(nil), "/artifacts")
			for _, bad := range []string{"video", "", "JSON", "Text"} {
				t.Do("POST", path, h.Ann, J{"artifact_key": "k", "type": bad}).Refused(400, "VALIDATION_ERROR")
			}
			for _, field := range []string{"title", "content", "language", "url", "mime_type"} {
				for _, bad := range []any{5, true, J{}, []string{"x"}} {
					t.Do("POST", path, h.Ann, J{"artifact_key": "k", field: bad}).Refused(400, "VALIDATION_ERROR")
				}
				t.Do("POST", path, h.Ann, J{"artifact_key": "null-" + field, field: nil}).OK().Equal(field, nil)
			}
		}},
		{[]string{"B2B-ART-006", "B2B-MSG-022"}, "artifact writes are validated in the specified order", artifactOrder},
		{[]string{"B2B-ART-007", "B2B-ART-008", "B2B-THR-087"}, "an update creates the next version", artifactUpdate},
		{[]string{"B2B-ART-009", "B2B-ART-010"}, "the latest versions and the version history can be listed", artifactLists},
		{[]string{"B2B-ART-011"}, "artifact writes are audited", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			v1 := t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k", "content": "x"}).OK().Str("id")
			v2 := t.Do("PATCH", thr(id, "/artifacts/k"), h.Bob, J{"content": "y"}).OK().Str("id")
			h.auditedAs("artifact.add", v1, h.Ann.ID, J{"thread_id": id, "artifact_key": "k", "version": 1})
			h.auditedAs("artifact.update", v2, h.Bob.ID, J{"thread_id": id, "artifact_key": "k", "version": 2})
			if e := h.audited("artifact.add", v1); e["target_type"] != "artifact" {
				t.Errorf("audit artifact.add: target_type is %v, want artifact", e["target_type"])
			}
		}},
	}
}

func artifactTypes(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	for _, typ := range []string{"text", "markdown", "json", "code", "file", "link"} {
		bare := t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "bare-" + typ, "type": typ}).OK().Shape("", artifactShape)
		bare.Equal("type", typ).Equal("version", 1).Equal("format_warning", false).Equal("content", nil).Equal("url", nil)
		before := h.adminView(id)
		t.tick()
		full := J{"artifact_key": "full-" + typ, "type": typ, "title": "T", "content": `{"a": 1}`, "language": "go", "url": "/relative", "mime_type": "m/m"}
		r := t.Do("POST", thr(id, "/artifacts"), h.Bob, full).OK().Shape("", artifactShape)
		for k, v := range full {
			r.Equal(k, v)
		}
		r.Equal("thread_id", id).Equal("contributor_id", h.Bob.ID).Equal("version", 1).Equal("format_warning", false).Equal("updated_at", r.Value("created_at"))
		after := h.adminView(id).Equal("revision", 1).Equal("updated_at", before.Value("updated_at"))
		if after.Num("last_activity_at") <= before.Num("last_activity_at") {
			after.errorf("adding an artifact did not change last_activity_at")
		}
		read := t.Get(thr(id, "/artifacts"), h.Ann).OK()
		if found := read.Find("", "artifact_key", "full-"+typ); show(found) != show(r.JSON) {
			t.Errorf("artifact %s is listed as %s, but was returned as %s", typ, show(found), show(r.JSON))
		}
	}
	t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "untyped", "content": "{'a': 1}"}).OK().Equal("type", "text").Equal("content", "{'a': 1}").Equal("format_warning", false)
}

func artifactOrder(t *T) {
	h := newFixture(t)
	open := h.threadWithDraft(nil)
	denied := h.threadWithDraft(J{"permission_policy": J{"write": []string{"initiator"}}})
	dead := h.threadWithDraft(J{"permission_policy": J{"write": []string{"initiator"}}})
	h.setStatus(dead, "resolved")
	h.notAudited("thread.write_denied", denied)
	for _, c := range []struct {
		who          *Bot
		thread       string
		method, path string
		body         J
		status       int
		code         string
	}{
		{h.Cyd, dead, "POST", "", J{}, 409, "THREAD_CLOSED"}, {h.Bob, dead, "POST", "", J{}, 409, "THREAD_CLOSED"},
		{h.Cyd, denied, "POST", "", J{}, 403, "JOIN_REQUIRED"}, {h.Bob, denied, "POST", "", J{}, 403, "WRITE_PERMISSION_DENIED"},
		{h.Bob, denied, "POST", "", J{"artifact_key": "draft"}, 403, "WRITE_PERMISSION_DENIED"},
		{h.Ann, denied, "POST", "", J{}, 400, "VALIDATION_ERROR"}, {h.Ann, open, "POST", "", J{"artifact_key": "draft", "type": "video"}, 400, "VALIDATION_ERROR"},
		{h.Ann, open, "POST", "", J{"artifact_key": "draft"}, 409, "CONFLICT"},
		{h.Cyd, dead, "PATCH", "/draft", J{}, 409, "THREAD_CLOSED"}, {h.Bob, dead, "PATCH", "/draft", J{}, 409, "THREAD_CLOSED"},
		{h.Cyd, denied, "PATCH", "/draft", J{}, 403, "JOIN_REQUIRED"}, {h.Bob, denied, "PATCH", "/draft", J{}, 403, "WRITE_PERMISSION_DENIED"},
		{h.Bob, denied, "PATCH", "/none", J{"content": "x"}, 403, "WRITE_PERMISSION_DENIED"}, {h.Ann, open, "PATCH", "/none", J{}, 400, "VALIDATION_ERROR"},
		{h.Ann, open, "PATCH", "/none", J{"content": "x"}, 404, "NOT_FOUND"}, {h.Ann, open, "PATCH", "/Draft", J{"content": "x"}, 404, "NOT_FOUND"},
	} {
		t.Do(c.method, thr(c.thread, "/artifacts", c.path), c.who, c.body).Refused(c.status, c.code)
	}
	h.auditedAs("thread.write_denied", denied, h.Bob.ID, nil)
	t.Get(thr(open, "/artifacts"), h.Ann).OK().Len("", 1).Equal("0.version", 1)
}

func artifactUpdate(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	v1 := t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k", "type": "code", "title": "T", "content": "one", "language": "go", "url": "/u", "mime_type": "m/m"}).OK()
	path := thr(id, "/artifacts/k")
	before := h.adminView(id)
	t.tick()
	v2 := t.Do("PATCH", path, h.Bob, J{"content": "two", "language": "js", "url": nil, "mime_type": "x", "type": "text", "artifact_key": "other"}).OK().Shape("", artifactShape)
	v2.Equal("version", 2).Equal("content", "two").Equal("title", "T").Equal("language", "go").Equal("url", "/u").Equal("mime_type", "m/m").Equal("type", "code").Equal("artifact_key", "k")
	v2.Equal("contributor_id", h.Bob.ID).Equal("updated_at", v2.Value("created_at"))
	if v2.Str("id") == v1.Str("id") || v2.Num("created_at") <= v1.Num("created_at") {
		v2.errorf("the new version does not have a new id and a later created_at")
	}
	after := h.adminView(id).Equal("revision", 1).Equal("updated_at", before.Value("updated_at"))
	if after.Num("last_activity_at") <= before.Num("last_activity_at") {
		after.errorf("the update did not change last_activity_at")
	}
	t.Do("PATCH", path, h.Ann, J{"content": "three", "title": "New"}).OK().Equal("version", 3).Equal("title", "New")
	t.Do("PATCH", path, h.Ann, J{"content": "four"}).OK().Equal("version", 4).Equal("title", "New")
	t.Do("PATCH", path, h.Ann, J{"content": "", "title": nil}).OK().Equal("version", 5).Equal("title", nil).Equal("content", "")
	for _, body := range []J{{}, {"content": nil}, {"title": "only"}} {
		t.Do("PATCH", path, h.Ann, body).Refused(400, "VALIDATION_ERROR").errorContains("content is required")
	}
	for _, bad := range []any{5, true, J{}, []string{"x"}} {
		t.Do("PATCH", path, h.Ann, J{"content": bad}).Refused(400, "VALIDATION_ERROR")
		t.Do("PATCH", path, h.Ann, J{"content": "x", "title": bad}).Refused(400, "VALIDATION_ERROR")
	}
	t.Get(thr(id, "/artifacts/k/versions"), h.Ann).OK().Len("", 5)
	versions := make([]bool, 9)
	t.Concurrently(8, func(int) {
		r := t.Do("PATCH", path, h.Ann, J{"content": "race"}).OK()
		if v := int(r.Num("version")) - 5; v < 1 || v > 8 {
			r.errorf("concurrent updates made the version %d", v+5)
		}
	})
	for _, e := range t.Get(thr(id, "/artifacts/k/versions"), h.Ann).OK().Len("", 13).List("") {
		if v := num(e.(map[string]any), "version") - 5; v >= 1 && v <= 8 {
			versions[v] = true
		}
	}
	if slices.Contains(versions[1:], false) {
		t.Errorf("eight concurrent updates did not create eight versions: %v", versions[1:])
	}
}

func artifactLists(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	t.Get(thr(id, "/artifacts"), h.Ann).OK().Len("", 0)
	for _, key := range []string{"c", "a", "b"} {
		t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": key, "content": key + "1"}).OK()
		t.tick()
	}
	t.Do("PATCH", thr(id, "/artifacts/c"), h.Bob, J{"content": "c2"}).OK()
	list := t.Get(thr(id, "/artifacts"), h.Bob.Scoped("read")).OK().Len("", 3)
	t.sameIDs("artifacts", list.Pluck("", "artifact_key"), []string{"a", "b", "c"})
	list.Equal("2.version", 2).Equal("2.content", "c2").Equal("0.version", 1)
	t.Shape("row", list.List("")[2], artifactShape)
	versions := t.Get(thr(id, "/artifacts/c/versions"), h.Bob).OK().Len("", 2)
	versions.Equal("0.version", 1).Equal("0.content", "c1").Equal("0.contributor_id", h.Ann.ID).Equal("1.version", 2).Equal("1.content", "c2").Equal("1.contributor_id", h.Bob.ID)
	t.Shape("version", versions.List("")[0], artifactShape)
	t.Get(thr(id, "/artifacts/none/versions"), h.Ann).OK().Len("", 0)
	t.Get(thr(id, "/artifacts/C/versions"), h.Ann).OK().Len("", 0)
}
