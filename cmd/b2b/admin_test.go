package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

var watching = regexp.MustCompile(`"msg":"listening for metrics, health and profiles","addr":"127\.0\.0\.1:(\d+)"`)

// admin returns the URL of the admin listener.
func (n *node) admin() string {
	n.t.Helper()
	waittest.Until(n.t, "the admin listener", func() bool { return watching.MatchString(n.logs.String()) })
	return "http://127.0.0.1:" + watching.FindStringSubmatch(n.logs.String())[1]
}

// get sends a GET request with a Host header; "" stands for that of the URL.
func get(t *testing.T, url, host string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// scrape returns the series of the metrics by their text: `name{label="value"}`.
func (n *node) scrape() map[string]float64 {
	t := n.t.(*testing.T)
	t.Helper()
	status, text := get(t, n.admin()+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("a scrape: %d %s", status, text)
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[line[:at]] = value
	}
	return out
}

// TestMetrics scrapes a server after calls over each binding, with connections and streams open. The
// public listener has nothing of the admin listener (B2B-SRV-032).
func TestMetrics(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			n := serve(t, t.TempDir(), append(b.env(t), "B2B_ADMIN_LISTEN=127.0.0.1:0")...)
			_, bots := n.team("ann", "bob")
			ann := bots["ann"]
			socket := n.dial(ann)
			stop := n.follow(ann)
			before := n.scrape()

			ann.must("POST", "/api/send", map[string]any{"to": "bob", "content": "one"})
			ann.must("POST", "/api/send", map[string]any{"to": "bob", "content": "two"})
			ann.try("POST", "/api/send", map[string]any{"to": "nobody", "content": "three"})
			ann.try("POST", "/api/send", map[string]any{"to": "bob", "content": strings.Repeat("x", 2<<20)})
			(&client{t: t, url: n.URL}).try("POST", "/api/send", map[string]any{"to": "bob", "content": "four"})
			ann.try("GET", "/api/no-such-path", nil)
			rpc := b2bv1connect.NewChannelServiceClient(http.DefaultClient, n.URL)
			if _, err := rpc.SendDirectMessage(t.Context(), &b2bv1.SendDirectMessageRequest{To: new("bob"), Content: new("five")}); err == nil {
				t.Error("a call without a credential succeeded")
			}
			for _, frame := range []string{`{"type":"send_dm","to":"bob","content":"six","ref":1}`, `{"type":"send_dm","ref":2}`} {
				if err := socket.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
					t.Fatal(err)
				}
			}
			const send = `operation="ChannelService/SendDirectMessage"`
			want := map[string]float64{
				`b2b_calls_total{binding="rest",` + send + `,outcome="ok"}`:                             2,
				`b2b_calls_total{binding="rest",` + send + `,outcome="refused"}`:                        3,
				`b2b_calls_total{binding="rest",` + send + `,outcome="failed"}`:                         0,
				`b2b_calls_total{binding="rest",operation="none",outcome="refused"}`:                    1,
				`b2b_calls_total{binding="rpc",` + send + `,outcome="refused"}`:                         1,
				`b2b_calls_total{binding="ws",` + send + `,outcome="ok"}`:                               1,
				`b2b_calls_total{binding="ws",` + send + `,outcome="refused"}`:                          1,
				`b2b_call_errors_total{binding="rest",code="PAYLOAD_TOO_LARGE"}`:                        1,
				`b2b_call_errors_total{binding="rest",code="AUTH_REQUIRED"}`:                            1,
				`b2b_call_errors_total{binding="ws",code="VALIDATION_ERROR"}`:                           1,
				`b2b_call_duration_seconds_count{binding="rest",` + send + `}`:                          3,
				`b2b_database_statement_duration_seconds_count{kind="insert",table="channel_messages"}`: 3,
			}
			var after map[string]float64
			waittest.Until(t, "the replies to two frames", func() bool {
				after = n.scrape()
				w := `b2b_calls_total{binding="ws",` + send
				const refused = `b2b_call_errors_total{binding="ws",code="VALIDATION_ERROR"}`
				return after[w+`,outcome="ok"}`]+after[w+`,outcome="refused"}`] == 2 && after[refused] > before[refused]
			})
			if b.name == "postgres" { // there an insertion is deferred, and counts for the statement that it is sent with
				delete(want, `b2b_database_statement_duration_seconds_count{kind="insert",table="channel_messages"}`)
			}
			for series, n := range want {
				if got := after[series] - before[series]; got != n {
					t.Errorf("%s rose by %v, want %v", series, got, n)
				}
			}
			for series, n := range map[string]float64{
				`b2b_websocket_connections{caller="bot"}`: 1, `b2b_subscriptions{binding="ws"}`: 1, `b2b_subscriptions{binding="rest"}`: 1,
				`b2b_calls_in_flight{binding="rest",operation="EventService/Subscribe"}`: 1, `b2b_log_tails`: 1, `b2b_database_healthy`: 1, `b2b_node_lease_held`: 1,
				`b2b_calls_in_flight{binding="rest",` + send + `}`: 0,
			} {
				if got, there := after[series]; !there || got != n {
					t.Errorf("%s is %v, want %v", series, got, n)
				}
			}
			for _, series := range []string{
				"b2b_database_batch_changes_count", `b2b_log_delivery_lag_seconds_count{committed="here"}`, `b2b_connections{caller="authenticated"}`,
				"b2b_log_index_backlog_events", `b2b_cache_lookups_total{cache="tokens",result="hit"}`, "process_resident_memory_bytes", "go_goroutines",
			} {
				if after[series] <= 0 {
					t.Errorf("%s is %v", series, after[series])
				}
			}
			if b.name == "postgres" && after["b2b_database_pipeline_statements_count"] == 0 {
				t.Error("there are no pipelines")
			}
			stop()
			waittest.Until(t, "the end of a stream", func() bool {
				after = n.scrape()
				return after[`b2b_subscriptions{binding="rest"}`] == 0
			})
			if n := after[`b2b_calls_total{binding="rest",operation="EventService/Subscribe",outcome="canceled"}`]; n != 1 {
				t.Errorf("%v streams were ended by their client, want 1", n)
			}
			n.wantAdmin()
			if err := n.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// wantAdmin checks who gets what of the admin listener.
func (n *node) wantAdmin() {
	t := n.t.(*testing.T)
	t.Helper()
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if status, _ := get(t, n.admin()+path, ""); status != http.StatusOK {
			t.Errorf("%s of the admin listener: %d", path, status)
		}
		if status, _ := get(t, n.admin()+path, "evil.example"); status != http.StatusForbidden {
			t.Errorf("%s of the admin listener for a name that an attacker points at it: %d", path, status)
		}
		if status, text := get(t, n.URL+path, ""); status != http.StatusUnauthorized || !strings.HasPrefix(text, `{"error":`) {
			t.Errorf("%s of the public listener: %d %s", path, status, text)
		}
	}
	if status, text := get(t, n.admin()+"/health", ""); status != http.StatusOK || !strings.Contains(text, `"db":"ok"`) || strings.Contains(text, `"ws"`) {
		t.Errorf("/health of the admin listener: %d %s", status, text)
	}
}

// dial opens a WebSocket for a bot.
func (n *node) dial(bot *client) *websocket.Conn {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	ticket := bot.must("POST", "/api/ws-ticket", nil)["ticket"].(string)
	conn, _, err := websocket.Dial(ctx, n.URL+"/ws?ticket="+ticket, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.CloseNow() }) // its node may be gone
	return conn
}

// follow opens a stream of server-sent events for a bot, until stop is called.
func (n *node) follow(bot *client) (stop func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/api/events", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bot.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		n.t.Fatalf("a stream: %d", res.StatusCode)
	}
	return func() {
		cancel()
		res.Body.Close()
	}
}

// Without the setting there is no admin listener; a port that is in use ends the start with an error
// that names the setting.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	first := serve(t, t.TempDir(), "B2B_ADMIN_LISTEN=127.0.0.1:0")
	address := strings.TrimPrefix(first.admin(), "http://")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	second := exec.CommandContext(ctx, build(t), "serve", "--port", "0", "--data", t.TempDir())
	second.Env = []string{"PATH=" + os.Getenv("PATH"), "B2B_ADMIN_SECRET=" + adminSecret, "B2B_ADMIN_LISTEN=" + address}
	out, err := second.CombinedOutput()
	if second.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "listen on "+address+" for B2B_ADMIN_LISTEN") || !strings.Contains(string(out), "in use") {
		t.Errorf("a second server with that address: %v\n%s", err, out)
	}
	plain := serve(t, t.TempDir())
	if strings.Contains(plain.logs.String(), "profiles") {
		t.Errorf("a server without the setting has an admin listener:\n%s", plain.logs)
	}
	if err := first.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
