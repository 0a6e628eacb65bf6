package server_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// B2B-SRV-030, B2B-SRV-031: a full database degrades the health; the reason is shown to callers
// with the admin secret only.
func TestUnwell(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	ask := func(c caller, want int) map[string]any {
		t.Helper()
		a := n.send(c, "GET", "/health", nil)
		var health map[string]any
		if err := json.Unmarshal([]byte(a.body), &health); err != nil || a.status != want {
			t.Fatalf("health: %v (%v)", a, err)
		}
		return health
	}
	operator := bearer("the operator", "", "", testConfig(t).AdminSecret)
	if h := ask(operator, 200); h["status"] != "ok" || h["reason"] != nil || h["ws"] == nil {
		t.Errorf("all is well: %v", h)
	}
	err := n.server.Store().Update(t.Context(), "", func(store.Tx) error {
		return &store.Outage{Full: true, Err: errors.New("no space on the disk")}
	})
	if err == nil {
		t.Fatal("the change is made")
	}
	if h := ask(nobody, 503); h["status"] != "degraded" || h["db"] != "error" || h["reason"] != nil {
		t.Errorf("an unauthenticated caller gets %v", h)
	}
	reason, _ := ask(operator, 503)["reason"].(string)
	if !strings.Contains(reason, "no space") {
		t.Errorf("the operator gets %q", reason)
	}
	if h := ask(bearer("a guess", "", "", "not-the-secret"), 503); h["reason"] != nil {
		t.Errorf("a caller with a wrong secret gets %v", h)
	}
}
