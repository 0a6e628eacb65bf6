package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// client makes JSON calls with one credential: a bearer token or a cookie.
type client struct {
	t      testing.TB
	url    string
	token  string
	cookie string
	trace  string // sent as traceparent
	a2a    bool   // its calls are of A2A
}

// try makes a call and returns its status and body; status 0 means no response.
func (c *client) try(method, path string, body any) (int, map[string]any, http.Header) {
	c.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, c.url+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.cookie != "" {
		req.Header.Set("Cookie", c.cookie)
	}
	if c.trace != "" {
		req.Header.Set("Traceparent", c.trace)
	}
	if c.a2a {
		req.Header.Set("A2A-Version", "1.0")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	var answer map[string]any
	if json.Unmarshal(raw, &answer) != nil {
		answer = map[string]any{"raw": string(raw)}
	}
	return res.StatusCode, answer, res.Header
}

// must makes a call that has to succeed.
func (c *client) must(method, path string, body any) map[string]any {
	c.t.Helper()
	status, answer, _ := c.try(method, path, body)
	if status < 200 || status > 299 {
		c.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// operator logs in as the super admin.
func (n *node) operator() *client {
	n.t.Helper()
	operator := &client{t: n.t, url: n.URL}
	status, _, header := operator.try("POST", "/api/auth/login", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	if status != http.StatusOK {
		n.t.Fatalf("log in: %d", status)
	}
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil {
		n.t.Fatal(err)
	}
	operator.cookie = cookie.Name + "=" + cookie.Value
	return operator
}

// team makes an org with a bot for each name, and raises its limits.
func (n *node) team(names ...string) (org map[string]any, bots map[string]*client) {
	n.t.Helper()
	operator := n.operator()
	org = operator.must("POST", "/api/orgs", map[string]any{"name": "team"})
	bots = make(map[string]*client)
	for _, name := range names {
		bot := operator.must("POST", "/api/auth/register", map[string]any{"org_id": org["id"], "org_secret": org["org_secret"], "name": name})
		bots[name] = &client{t: n.t, url: n.URL, token: bot["token"].(string)}
	}
	bots[names[0]].must("PATCH", "/api/org/settings", map[string]any{"messages_per_minute_per_bot": 1_000_000_000})
	return org, bots
}
