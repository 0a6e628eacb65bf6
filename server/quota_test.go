package server_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server"
)

// TestArtifactQuotas checks that a version beyond the quotas of its thread, its org or the day is
// refused over every binding, without an effect; one below is accepted (B2B-ART-014).
func TestArtifactQuotas(t *testing.T) {
	t.Parallel()
	var late atomic.Int64 // days that have gone by
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	n := newNodeWith(t, func(c *server.Config) {
		c.ArtifactsPerThread, c.ArtifactMBPerThread, c.ArtifactMBPerDay, c.ArtifactMBPerOrg = 4, 1, 2, 3
		c.Now = func() time.Time { return noon.Add(time.Duration(late.Load()) * 24 * time.Hour) }
	})
	o, beside := n.newOrg(t, "own"), n.newOrg(t, "other")
	large := strings.Repeat("x", 700_000)
	thread := func(o *org) string {
		return "/api/threads/" + n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "quota"})["id"].(string)
	}
	add := func(o *org, thread, key, content string) answer {
		return n.send(o.member, "POST", thread+"/artifacts", encode(t, map[string]any{"artifact_key": key, "content": content, "request_id": thread + key}))
	}
	taken := func(a answer) {
		t.Helper()
		if a.status != 200 {
			t.Errorf("a version below the quotas: %v", a)
		}
	}
	refused := func(a answer, status int, code, number string) {
		t.Helper()
		if a.status != status || a.code() != code || !strings.Contains(a.body, number) {
			t.Errorf("a version beyond a quota: %v, want %d %s of %q", a, status, code, number)
		}
	}

	many := thread(o)
	for i := range 3 {
		taken(add(o, many, fmt.Sprint("k", i), "x"))
	}
	taken(n.send(o.member, "PATCH", many+"/artifacts/k0", encode(t, map[string]any{"content": "y"})))
	refused(add(o, many, "k3", "x"), 409, "QUOTA_EXCEEDED", "4 versions")
	refused(n.send(o.member, "PATCH", many+"/artifacts/k0", encode(t, map[string]any{"content": "z"})), 409, "QUOTA_EXCEEDED", "4 versions")
	connect := n.send(o.member, "POST", "/b2b.v1.ArtifactService/UpdateArtifact",
		encode(t, map[string]any{"threadId": strings.TrimPrefix(many, "/api/threads/"), "artifactKey": "k0", "content": "z"}), "Connect-Protocol-Version", "1")
	if connectCode(connect) != "QUOTA_EXCEEDED" {
		t.Errorf("over Connect: %v", connect)
	}
	if a := n.send(o.member, "GET", many+"/artifacts/k0/versions", nil); strings.Count(a.body, `"version"`) != 2 {
		t.Errorf("versions behind refusals: %v", a)
	}
	taken(add(o, many, "k2", "x")) // the answer of its request_id

	full, next := thread(o), thread(o)
	taken(add(o, full, "a", large))
	refused(add(o, full, "b", large), 409, "QUOTA_EXCEEDED", "1 MiB")
	taken(add(o, full, "b", "short"))
	taken(add(o, next, "a", large))
	late.Add(-1) // a clock that goes back has another day, and no other thread
	refused(add(o, full, "c", large), 409, "QUOTA_EXCEEDED", "1 MiB")
	late.Add(1)
	day := add(o, thread(o), "a", large)
	refused(day, 429, "RATE_LIMITED", "2 MiB")
	if wait := day.header.Get("Retry-After"); wait != fmt.Sprint(12*60*60+1) {
		t.Errorf("at noon, come back in %s seconds", wait)
	}
	taken(add(beside, thread(beside), "a", large))
	late.Add(1)
	taken(add(o, thread(o), "a", large))
	taken(add(o, thread(o), "a", large))
	refused(add(o, thread(o), "a", large), 409, "QUOTA_EXCEEDED", "3 MiB")
	if a := n.send(o.member, "GET", full+"/artifacts", nil); a.status != 200 || len(a.body) < len(large) {
		t.Errorf("reading with full quotas: %d, %d bytes", a.status, len(a.body))
	}
	taken(add(beside, thread(beside), "b", large))
}
