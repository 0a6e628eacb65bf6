package rpc_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/rpc"
)

// B2B-HTTP-030, 032: which requests are calls, and the responses to the others.
func TestRequestsThatAreNotCalls(t *testing.T) {
	t.Parallel()
	known := callers{"bot": {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeFull}}
	s := services()
	h := rpc.New(s, s.Operations(), call.NewPipeline(known, slog.New(slog.DiscardHandler), false), call.Edge{}, nil, nil, elsewhere)
	const getMe = "/b2b.v1.BotService/GetMe"
	for _, c := range []struct {
		method, path, kind, token string
		status                    int
		want                      string // in the headers and the body
	}{
		{"POST", "/b2b.v1.BotService/Nothing", "application/json", "bot", 404, "POST /b2b.v1.BotService/Nothing"},
		{"POST", "/b2b.v1.Nothing/GetMe", "", "", 404, "POST /b2b.v1.Nothing/GetMe"},
		{"GET", getMe, "", "bot", 404, "GET " + getMe},
		{"OPTIONS", getMe, "", "bot", 404, "OPTIONS " + getMe},
		{"POST", "/b2b.v1.BotService/GetMe/x", "application/json", "bot", 404, "POST /b2b.v1.BotService/GetMe/x"},
		{"POST", "/b2b.v1.To\u212aenService/ListTokens", "application/json", "bot", 404, "ListTokens"}, // a Kelvin sign is not a k
		{"POST", "/b2b.v1.BotService/Nothing", "application/grpc", "bot", 200, "Grpc-Status: 12"},
		{"POST", "/b2b.v1.BotService/Nothing", "application/grpc-web+proto", "bot", 200, "Grpc-Status: 12"},
		{"POST", "/b2b.v1.BotService/Nothing", "application/grpc", "", 200, "Grpc-Status: 16"},
		{"POST", "/b2b.v1.BotService/Nothing", "application/grpc-web+proto", "", 200, "Grpc-Status: 16"},
		{"POST", getMe, "text/plain", "bot", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", getMe, "", "bot", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", getMe, "application/json; charset=latin1", "bot", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", getMe, "application/connect+json", "bot", 415, "UNSUPPORTED_MEDIA_TYPE"}, // it does not stream
		{"POST", "/b2b.v1.EventService/Subscribe", "application/json", "bot", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", getMe, "text/plain", "", 401, "AUTH_REQUIRED"},
		// connect responds to calls.
		{"POST", getMe, "application/json", "", 401, `"unauthenticated"`},
		{"POST", getMe + "/", "application/json", "", 401, `"unauthenticated"`},
		{"POST", "/B2B.v1.BOTSERVICE/getMe", "application/json", "", 401, `"unauthenticated"`},
		{"POST", getMe, "Application/JSON;charset=UTF-8", "", 401, `"unauthenticated"`},
		{"POST", "/b2b.v1.EventService/Subscribe", "application/connect+json", "", 200, ""},
	} {
		r := httptest.NewRequest(c.method, "/", strings.NewReader("{}"))
		r.URL.Path = c.path
		r.Header.Set("Content-Type", c.kind)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res := w.Result()
		var text strings.Builder
		if err := res.Header.Write(&text); err != nil {
			t.Fatal(err)
		}
		if err := res.Trailer.Write(&text); err != nil {
			t.Fatal(err)
		}
		text.WriteString(w.Body.String())
		if res.StatusCode != c.status || !strings.Contains(text.String(), c.want) {
			t.Errorf("%s %s as %q by %q: %d %q, want %d %q", c.method, c.path, c.kind, c.token, res.StatusCode, text.String(), c.status, c.want)
		}
	}
}
