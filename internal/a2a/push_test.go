package a2a

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// What of a push config is refused, whatever its address (B2B-A2A-017).
func TestCheckPush(t *testing.T) {
	t.Parallel()
	h := &Handler{pushes: struct{ Pushes }{}}
	auth := func(scheme, credentials string) *a2a.PushAuthInfo {
		return &a2a.PushAuthInfo{Scheme: scheme, Credentials: credentials}
	}
	long := strings.Repeat("x", mostSecret)
	for name, c := range map[string]struct {
		push a2a.PushConfig
		ok   bool
	}{
		"a URL":                   {a2a.PushConfig{URL: "https://x.example"}, true},
		"no URL":                  {a2a.PushConfig{ID: "x"}, false},
		"an id":                   {a2a.PushConfig{URL: "u", ID: "A-z.0_9~:@"}, true},
		"a UUID":                  {a2a.PushConfig{URL: "u", ID: "01a22da7-e7c3-78bd-a079-5b725c661c92"}, true},
		"the longest id":          {a2a.PushConfig{URL: "u", ID: long[:mostID]}, true},
		"a longer id":             {a2a.PushConfig{URL: "u", ID: long[:mostID+1]}, false},
		"an id with a slash":      {a2a.PushConfig{URL: "u", ID: "a/b"}, false},
		"an id that is a dot":     {a2a.PushConfig{URL: "u", ID: "."}, false},
		"an id of another script": {a2a.PushConfig{URL: "u", ID: "ä"}, false},
		"the longest token":       {a2a.PushConfig{URL: "u", Token: long}, true},
		"a longer token":          {a2a.PushConfig{URL: "u", Token: long + "x"}, false},
		"a token of two lines":    {a2a.PushConfig{URL: "u", Token: "a\nb"}, false},
		"a token with a space":    {a2a.PushConfig{URL: "u", Token: "a b"}, true},
		"a token that ends in it": {a2a.PushConfig{URL: "u", Token: "a "}, false},
		"credentials":             {a2a.PushConfig{URL: "u", Auth: auth("Bearer", "a.b~c+d/=")}, true},
		"a scheme alone":          {a2a.PushConfig{URL: "u", Auth: auth("Bearer", "")}, true},
		"no scheme":               {a2a.PushConfig{URL: "u", Auth: auth("", "x")}, false},
		"a scheme of two words":   {a2a.PushConfig{URL: "u", Auth: auth("Bearer x", "y")}, false},
		"a long scheme":           {a2a.PushConfig{URL: "u", Auth: auth(long[:mostScheme+1], "y")}, false},
		"credentials of two rows": {a2a.PushConfig{URL: "u", Auth: auth("Bearer", "a\r\nX: b")}, false},
	} {
		if err := h.checkPush(&c.push); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&Handler{}).checkPush(&a2a.PushConfig{URL: "u"}); err == nil {
		t.Error("a server without push notifications takes a push config")
	}
}

// Which errors end a push config: those that stay (B2B-A2A-020).
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code b2bv1.ErrorCode
		want error
	}{
		"not found":       {a2a.ErrTaskNotFound, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, ErrNoTask},
		"another's task":  {errNotFound("x"), 0, ErrNoTask},
		"no agent":        {ErrNoAgent, 0, ErrNoTask},
		"left the thread": {a2a.ErrUnauthorized, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, ErrNoTask},
		"revoked":         {a2a.ErrUnauthenticated, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, ErrNoTask},
		"suspended":       {a2a.ErrUnauthorized, b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, ErrNotActive},
		"unavailable":     {a2a.ErrServerError, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, nil},
	} {
		got := Unreadable(c.err, c.code)
		for _, sort := range []error{ErrNoTask, ErrNotActive} {
			if errors.Is(got, sort) != (c.want == sort) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

// A response of JSON-RPC has a result, an empty one too.
func TestEmptyResult(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		empty      bool
		text, want string
	}{
		{true, "{\"jsonrpc\":\"2.0\",\"id\":1}\n", `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{false, "{\"jsonrpc\":\"2.0\",\"id\":1}\n", "{\"jsonrpc\":\"2.0\",\"id\":1}\n"},
	} {
		rec := httptest.NewRecorder()
		w := &resultWriter{ResponseWriter: rec, of: &caller{empty: c.empty}}
		if n, err := w.Write([]byte(c.text)); n != len(c.text) || err != nil || rec.Body.String() != c.want {
			t.Errorf("%q is written as %q, %d, %v", c.text, rec.Body, n, err)
		}
	}
}
