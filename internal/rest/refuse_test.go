package rest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/rest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// TestRefusals checks the order of the stages: authentication before the path, authorization before
// the body, the form of the body before its fields.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := server(t, nil, nil)
	const json = "\nContent-Type: application/json"
	const broken = json + "\n\n{\"a\":"
	for _, c := range []struct {
		request string
		status  int
		code    string
	}{
		{"GET /api/nothing", 401, "AUTH_REQUIRED"},
		{"GET /", 401, "AUTH_REQUIRED"},
		{"GET /api/nothing\nAuthorization: Bearer who", 401, "INVALID_TOKEN"},
		{"GET /api/nothing\nAuthorization: bearer bot", 401, "AUTH_REQUIRED"},
		{"GET /api/nothing" + asBot, 404, "NOT_FOUND"},
		{"GET /dashboard/x" + asBot, 404, "NOT_FOUND"},
		{"POST /nowhere" + asBot, 404, "NOT_FOUND"},
		{"GET /api/auth/login", 401, "AUTH_REQUIRED"},
		{"GET /api/auth/login" + asBot, 404, "NOT_FOUND"},
		{"OPTIONS /api/me" + asBot, 404, "NOT_FOUND"},
		{"OPTIONS /api/me", 401, "AUTH_REQUIRED"},
		{"GET //api/me" + asBot, 404, "NOT_FOUND"},
		{"GET /api//me" + asBot, 404, "NOT_FOUND"},
		{"GET /api/me//" + asBot, 404, "NOT_FOUND"},
		{"GET /api/./me" + asBot, 404, "NOT_FOUND"},
		{"GET /api/x/../me" + asBot, 404, "NOT_FOUND"},
		{"GET /api%2Fme" + asBot, 404, "NOT_FOUND"},
		{"GET /" + strings.Repeat("a/", 40), 401, "AUTH_REQUIRED"},
		{"POST /api/nothing\nCookie: hxa_session=session\nSec-Fetch-Site: cross-site", 403, "CSRF_ERROR"},
		{"POST /api/org/tickets\nCookie: hxa_session=session\nOrigin: https://elsewhere.example", 403, "CSRF_ERROR"},
		{"POST /api/nothing" + broken, 401, "AUTH_REQUIRED"},
		{"GET /api/nothing" + broken, 401, "AUTH_REQUIRED"},
		{"POST /api/nothing" + asBot + broken, 404, "NOT_FOUND"},
		{"POST /api/threads" + broken, 401, "AUTH_REQUIRED"},
		{"POST /api/threads\nAuthorization: Bearer reader" + broken, 403, "INSUFFICIENT_SCOPE"},
		{"POST /api/threads" + asBot + broken, 400, "VALIDATION_ERROR"},
		{"GET /api/me" + asBot + broken, 400, "VALIDATION_ERROR"},
		{"POST /api/auth/login" + broken, 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + asBot + json + "\n\nnull", 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + asBot + json + "\n\n\"text\"", 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + asBot + json + "\n\n 1 ", 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + asBot + json + "\n\n   ", 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + asBot + json + "\n\n{\"a\":\"\xff\"}", 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + json + "; charset=latin1\n\n{}", 401, "AUTH_REQUIRED"},
		{"POST /api/threads" + asBot + json + "; charset=latin1\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + json + "; charset=\"utf-16\"\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + json + "; charset\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + json + "\nContent-Encoding: gzip\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + "\nContent-Type: text/plain\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + "\n\ntopic=a", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"GET /api/me" + asBot + "\nContent-Type: text/plain\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/auth/login\nContent-Type: application/x-www-form-urlencoded\n\na=b", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"POST /api/threads" + asBot + json + "\n\n{\"a\":\"" + strings.Repeat("x", rest.MaxBody) + "\"}", 413, "PAYLOAD_TOO_LARGE"},
		{"POST /api/auth/login" + json + "\n\n{\"a\":\"" + strings.Repeat("x", rest.MaxPublicBody) + "\"}", 413, "PAYLOAD_TOO_LARGE"},
		{"POST /api/threads" + asBot + json + "\n\n{" + strings.Repeat("\"a\":1,", 20_000) + "\"a\":1}", 400, "VALIDATION_ERROR"},
		{"GET /api/threads?" + strings.Repeat("a&", 1000) + asBot, 400, "VALIDATION_ERROR"},
		{"POST /api/threads" + json + "\n\n{\"topic\":1}", 401, "AUTH_REQUIRED"},
		{"POST /api/threads" + asBot + json + "\n\n{\"topic\":1}", 400, "VALIDATION_ERROR"},
		{"POST /api/threads\nAuthorization: Bearer reader" + json + "\n\n{\"topic\":1}", 403, "INSUFFICIENT_SCOPE"},
		{"PATCH /api/threads/t" + asBot + "\nIf-Match: seven", 400, "VALIDATION_ERROR"},
		{"GET /api/threads/%ff" + asBot, 400, "VALIDATION_ERROR"},
	} {
		name, _, _ := strings.Cut(c.request, strings.Repeat("x", 50))
		res := do(t, h, c.request)
		if got := bodyOf(t, res); res.StatusCode != c.status || !strings.Contains(got, `"code":"`+c.code+`"`) {
			t.Errorf("%q: %d %s, want %d %s", name, res.StatusCode, got, c.status, c.code)
		}
		if got := res.Header.Get("Location"); got != "" {
			t.Errorf("%q: redirects to %s", name, got)
		}
	}
}

// TestBodyLimit checks the exact limits, with and without a Content-Length.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	h := server(t, nil, map[string]service{
		b2bv1connect.AuthServiceLoginProcedure:          answers(&b2bv1.LoginResponse{}),
		b2bv1connect.ThreadServiceCreateThreadProcedure: answers(&b2bv1.CreateThreadResponse{Thread: benchThread}),
	})
	var network nettest.Network
	s := network.NewServer(h)
	defer s.Close()
	client := s.Client()
	defer client.CloseIdleConnections()
	for path, most := range map[string]int{"/api/auth/login": rest.MaxPublicBody, "/api/threads": rest.MaxBody} {
		for size, want := range map[int]int{8 << 10: 200, 8<<10 + 1: 200, 16 << 10: 200, 16<<10 + 1: 200, 64<<10 + 1: 200, most: 200, most + 1: 413, 3 * most: 413} {
			text := `{"":"` + strings.Repeat("x", size-7) + `"}`
			for _, body := range []io.Reader{strings.NewReader(text), io.MultiReader(strings.NewReader(text))} {
				r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, body)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer bot")
				res, err := client.Do(r)
				if err != nil {
					t.Fatalf("%d bytes to %s: %v", size, path, err)
				}
				if got := bodyOf(t, res); res.StatusCode != want {
					t.Errorf("%d bytes to %s: status %d, want %d: %s", size, path, res.StatusCode, want, got)
				}
				if err := res.Body.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
