package call_test

import (
	"net/http/httptest"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
)

// A request has the identity of a hash by its context alone, whatever its headers are.
func TestWithToken(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Cookie", call.SessionCookie+"=session")
	if got := (call.Edge{}).Info(r, "rest").Credentials; got.TokenHash != "" || got.Bearer != "token" || got.SessionID != "session" {
		t.Errorf("a request from the network has %+v", got)
	}
	r = r.WithContext(call.WithToken(r.Context(), "hash"))
	if got := (call.Edge{}).Info(r, "rest").Credentials; got != (call.Credentials{TokenHash: "hash"}) {
		t.Errorf("a request within the process has %+v", got)
	}
}
