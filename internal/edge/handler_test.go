package edge_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/edge"
)

// named responds with the name of the binding and the path that it receives.
func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Took", name+" "+r.URL.EscapedPath())
	})
}

func handler(origins []string, base string) http.Handler {
	return edge.Handler(edge.Config{
		REST: named("rest"), RPC: named("rpc"), Sockets: named("ws"), Origins: origins, BasePath: base,
	})
}

// do serves one request: "GET /path", then one header per line.
func do(t *testing.T, h http.Handler, request string) *http.Response {
	t.Helper()
	lines := strings.Split(request, "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, nil)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

const upgrade = "\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

// B2B-HTTP-020, 030, 031: the path decides the binding.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, request, want string }{
		{"", "GET /api/me", "rest /api/me"},
		{"", "GET /", "rest /"},
		{"", "POST /b2b.v1.BotService/GetMe", "rpc /b2b.v1.BotService/GetMe"},
		{"", "POST /B2B.V1.BotService/GetMe/", "rpc /B2B.V1.BotService/GetMe/"},
		{"", "POST /b2b.v1", "rest /b2b.v1"},
		{"", "GET /ws" + upgrade, "ws /ws"},
		{"", "GET /WS/?ticket=x" + upgrade, "ws /WS/"},
		{"", "GET /ws", "rest /ws"},
		{"/hub", "GET /hub/api/me", "rest /api/me"},
		{"/hub", "GET /HUB/api/me", "rest /api/me"},
		{"/hub", "GET /api/me", "rest /api/me"},
		{"/hub", "GET /hub/api/threads/a%2Fb", "rest /api/threads/a%2Fb"},
		{"/hub", "POST /hub/b2b.v1.BotService/GetMe", "rpc /b2b.v1.BotService/GetMe"},
		{"/hub", "GET /hub/ws" + upgrade, "ws /ws"},
		{"/hub", "GET /hub/ws/" + upgrade, "ws /ws/"},
		{"/hub", "GET /ws" + upgrade, "ws /ws"},
		{"/hub", "GET /hubapi/me", "rest /hubapi/me"},
		{"/hub", "GET /hub", "rest /hub"},
		{"/hub", "GET /hub/hub/api/me", "rest /hub/api/me"},
	} {
		if got := do(t, handler(nil, c.base), c.request).Header.Get("Took"); got != c.want {
			t.Errorf("below %q, %q: %q, want %q", c.base, c.request, got, c.want)
		}
	}
}

// B2B-HTTP-033: an invalid handshake gets an ordinary error response.
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"elsewhere":         "GET /api/me" + upgrade,
		"below":             "GET /ws/x" + upgrade,
		"POST":              "POST /ws" + upgrade,
		"no version":        "GET /ws" + strings.Replace(upgrade, "Sec-WebSocket-Version: 13", "X: y", 1),
		"another version":   "GET /ws" + strings.Replace(upgrade, "13", "8", 1),
		"no key":            "GET /ws" + strings.Replace(upgrade, "Sec-WebSocket-Key", "X", 1),
		"two keys":          "GET /ws" + upgrade + "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"a short key":       "GET /ws" + strings.Replace(upgrade, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 1),
		"no Connection":     "GET /ws" + strings.Replace(upgrade, "keep-alive, Upgrade", "keep-alive", 1),
		"of an older proxy": "GET /ws" + strings.Replace(upgrade, "keep-alive, Upgrade", "close", 1),
	} {
		res := do(t, handler([]string{"*"}, ""), request)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 400 || !strings.Contains(string(body), `"code":"VALIDATION_ERROR"`) ||
			res.Header.Get("Content-Type") != "application/json; charset=utf-8" || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v %s", name, res.StatusCode, res.Header, string(body))
		}
	}
}

// B2B-HTTP-016, 017, 034: CORS is the same for every binding.
func TestCORS(t *testing.T) {
	t.Parallel()
	const origin = "\nOrigin: https://app.example"
	for _, c := range []struct {
		name    string
		origins []string
		head    string // headers, and the method with OPTIONS
		status  int
		allow   string // Access-Control-Allow-Origin
		vary    string
		exposed bool
	}{
		{"off", nil, "GET" + origin, 200, "", "", false},
		{"off, preflight", nil, "OPTIONS" + origin, 200, "", "", false},
		{"any", []string{"*"}, "GET", 200, "*", "", true},
		{"any, preflight", []string{"*"}, "OPTIONS" + origin, 204, "*", "Access-Control-Request-Headers", false},
		{"listed", []string{"https://a.example", "https://app.example"}, "POST" + origin, 200, "https://app.example", "Origin", true},
		{"not listed", []string{"https://a.example"}, "POST" + origin, 200, "", "Origin", false},
		{"no origin", []string{"https://a.example"}, "GET", 200, "", "Origin", false},
		{"not listed, preflight", []string{"https://a.example"}, "OPTIONS" + origin, 204, "", "Origin Access-Control-Request-Headers", false},
	} {
		for _, path := range []string{"/api/me", "/b2b.v1.BotService/GetMe", "/nowhere", "/ws"} {
			method, headers, _ := strings.Cut(c.head, "\n")
			if headers != "" {
				headers = "\n" + headers
			}
			res := do(t, handler(c.origins, ""), method+" "+path+headers)
			if res.StatusCode != c.status || res.Header.Get("Access-Control-Allow-Origin") != c.allow {
				t.Errorf("%s, %s: status %d, headers %v", c.name, path, res.StatusCode, res.Header)
			}
			if got := strings.Join(res.Header.Values("Vary"), " "); got != c.vary {
				t.Errorf("%s, %s: Vary is %q, want %q", c.name, path, got, c.vary)
			}
			if got := res.Header.Get("Access-Control-Expose-Headers"); (got != "") != c.exposed {
				t.Errorf("%s, %s: exposed are %q", c.name, path, got)
			}
			if res.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s, %s: credentials are allowed", c.name, path)
			}
		}
	}
	exposed := strings.Split(strings.ToLower(do(t, handler([]string{"*"}, ""), "GET /").Header.Get("Access-Control-Expose-Headers")), ",")
	for _, name := range []string{"etag", "retry-after", "location", "link", "grpc-status", "grpc-message", "grpc-status-details-bin"} {
		if !slices.Contains(exposed, name) {
			t.Errorf("%s is not exposed: %q", name, exposed)
		}
	}
	res := do(t, handler([]string{"*"}, ""), "OPTIONS /b2b.v1.x\nAccess-Control-Request-Headers: authorization,x-grpc-web,connect-protocol-version")
	if res.Header.Get("Access-Control-Allow-Headers") != "authorization,x-grpc-web,connect-protocol-version" ||
		res.Header.Get("Access-Control-Allow-Methods") != "GET,HEAD,PUT,PATCH,POST,DELETE" {
		t.Errorf("preflight: %v", res.Header)
	}
}
