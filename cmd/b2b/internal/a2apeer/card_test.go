package a2apeer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/internal/limits"
)

func TestFetchCard(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) } // the client may have enough
	}
	const card = `{"name":"A","supportedInterfaces":[null,{"url":"https://x.example/","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`
	mux.Handle("/bot/.well-known/agent-card.json", text(card))
	mux.Handle("/plain", text(card))
	mux.Handle("/large.json", text(`{"name":"`+strings.Repeat("x", mostCard)+`"}`))
	mux.Handle("/text.json", text("hello"))
	mux.Handle("/empty.json", text("{}"))
	mux.Handle("/moved.json", http.RedirectHandler("https://elsewhere.example/", http.StatusFound))
	mux.HandleFunc("/secret.json", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for path, want := range map[string]string{ // the start of the error, or the path of the card
		"/bot": "/bot/.well-known/agent-card.json", "/bot/": "/bot/.well-known/agent-card.json",
		"/bot/.well-known/agent-card.json": "/bot/.well-known/agent-card.json", "/plain": "/plain",
		"": "there is no agent card at ", "/large.json": "the agent card at ", "/text.json": "there is no agent card at ",
		"/empty.json": "there is no agent card at ", "/moved.json": server.URL + "/moved.json leads elsewhere", "/secret.json": "the agent card at ",
		"/bot?key=secret": "the address of the agent must have no user",
	} {
		c, err := FetchCard(t.Context(), http.DefaultTransport, server.URL+path)
		switch {
		case strings.HasPrefix(want, "/"):
			if err != nil || c.From.Path != want {
				t.Errorf("%s: %v", path, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret\""):
			t.Errorf("%s: %v", path, err)
		}
	}
	server.Close()
	if _, err := FetchCard(t.Context(), http.DefaultTransport, server.URL); !is(err, ErrUnreachable) {
		t.Errorf("nobody is there: %v", err)
	}
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	offer := func(binding, version, address string) *a2a.AgentInterface {
		return &a2a.AgentInterface{URL: address, ProtocolBinding: a2a.TransportProtocol(binding), ProtocolVersion: a2a.ProtocolVersion(version)}
	}
	const here, there = "https://agent.example.com/rpc", "https://api.example.com/rpc"
	for name, k := range map[string]struct {
		older string
		hosts []string
		all   []*a2a.AgentInterface
		want  string // the address, or a part of the error
	}{
		"JSON-RPC":           {all: []*a2a.AgentInterface{offer("GRPC", "1.0", here), offer("JSONRPC", "1.0", here)}, want: here},
		"REST":               {all: []*a2a.AgentInterface{nil, offer("HTTP+JSON", "1.1", here)}, want: here},
		"the first":          {all: []*a2a.AgentInterface{offer("HTTP+JSON", "1.0", here+"/1"), offer("JSONRPC", "1.0", here+"/2")}, want: here + "/1"},
		"another version":    {all: []*a2a.AgentInterface{offer("JSONRPC", "0.3", here), offer("JSONRPC", "10.0", here)}, want: "offers JSONRPC 0.3, JSONRPC 10.0; what"},
		"gRPC only":          {all: []*a2a.AgentInterface{offer("GRPC", "1.0", here)}, want: "offers GRPC 1.0; what is needed is JSONRPC or HTTP+JSON of A2A 1.0"},
		"an older card":      {older: "JSONRPC 0.3.0", want: "offers JSONRPC 0.3.0; what"},
		"none":               {want: "no interfaces"},
		"another host":       {all: []*a2a.AgentInterface{offer("JSONRPC", "1.0", there)}, want: "--a2a-host"},
		"an allowed host":    {all: []*a2a.AgentInterface{offer("JSONRPC", "1.0", there)}, hosts: []string{"api.example.com"}, want: there},
		"this machine":       {all: []*a2a.AgentInterface{offer("JSONRPC", "1.0", "http://localhost/")}, want: "--a2a-host"},
		"a file":             {all: []*a2a.AgentInterface{offer("JSONRPC", "1.0", "file:///etc/passwd")}, want: "must be one such as"},
		"control characters": {all: []*a2a.AgentInterface{offer("\x1b[31m\n", "1.0", here)}, want: "offers [31m 1.0; what"},
	} {
		c := &Card{From: parse(t, "https://agent.example.com/card.json"), older: k.older}
		c.SupportedInterfaces = k.all
		i, _, err := c.endpoint(k.hosts)
		switch {
		case strings.HasPrefix(k.want, "https:"):
			if err != nil || i.URL != k.want {
				t.Errorf("%s: %v", name, err)
			}
		case err == nil || !strings.Contains(err.Error(), k.want):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProfileOfCard(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Weather Agent (EU)": "weather-agent-eu", "Übersetzer": "ubersetzer", "a_b": "a_b", "--x--": "x", "All": "", "天气": "", "": "",
		"01890a5d-ac96-774b-bcce-b302099a8057": "", strings.Repeat("ab ", 200): strings.TrimSuffix(strings.Repeat("ab-", 43), "-")[:128],
	} {
		if got := botName(name); got != want {
			t.Errorf("botName(%q) = %q, want %q", name, got, want)
		}
	}
	c := &Card{}
	c.Description = "One\n\u202etwo\x00 \x1b[31mthree" + strings.Repeat("ö", 2000)
	for range 5 {
		c.Skills = append(c.Skills, a2a.AgentSkill{Tags: []string{"x", " x ", "", strings.Repeat("\"", 500), "y\u2028z"}})
	}
	p := c.Profile()
	if !strings.HasPrefix(p.Bio, "One two [31mthreeö") || len(p.Bio) > limits.MaxBio || !utf8.ValidString(p.Bio) {
		t.Errorf("the bio is %q", p.Bio)
	}
	if len(p.Tags) != 3 || p.Tags[0] != "x" || p.Tags[2] != "y z" || limits.CheckList("tags", p.Tags, limits.MaxBotTags) != nil {
		t.Errorf("the tags are %q", p.Tags)
	}
}

// FuzzCard: whatever a card has, its profile is within the limits.
func FuzzCard(f *testing.F) {
	f.Add(`{"name":"A","description":"B","skills":[{"tags":["c"]}],"supportedInterfaces":[null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c := &Card{From: parse(t, "https://agent.example.com/")}
		if json.Unmarshal([]byte(text), &c.AgentCard) != nil {
			return
		}
		p := c.Profile()
		if p.Name != "" && limits.BotName(p.Name) != nil || len(p.Bio) > limits.MaxBio || limits.CheckList("tags", p.Tags, limits.MaxBotTags) != nil {
			t.Errorf("the profile is %+v", p)
		}
		_, _, _ = c.endpoint(nil)          // it does not panic
		_, _ = c.credentialOf("something") // nor this
	})
}
