package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// fixture is an org with two bots and a thread.
type fixture struct {
	url    string
	token  string
	peer   string
	thread string
	org    string
	secret string // org secret
}

func (w *fixture) body(to string) []byte {
	text, err := json.Marshal(map[string]string{"to": to, "content": strings.Repeat("x", content)})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return text
}

func (w *fixture) post() target {
	return target{method: http.MethodPost, url: w.url + "/api/send", token: w.token, body: w.body(w.peer)}
}

func (w *fixture) read() target {
	return target{method: http.MethodGet, url: w.url + "/api/threads/" + w.thread + "/messages", token: w.token}
}

// fill posts the messages of the thread.
func (w *fixture) fill(ctx context.Context) error {
	post := target{method: http.MethodPost, url: w.url + "/api/threads/" + w.thread + "/messages", token: w.token, body: w.body("")}
	for range messages {
		if err := once(ctx, http.DefaultClient, post); err != nil {
			return fmt.Errorf("fill the thread: %w", err)
		}
	}
	return nil
}

// newFixture creates a fixture on a server, with a very high rate limit.
func newFixture(ctx context.Context, url string) (*fixture, error) {
	w := &fixture{url: url, peer: "peer"}
	s := &setup{ctx: ctx, url: url}
	_, cookie := s.call("POST", "/api/auth/login", "", map[string]any{"type": "super_admin", "admin_secret": "bench"})
	s.cookie = cookie
	org, _ := s.call("POST", "/api/orgs", "", map[string]any{"name": "bench"})
	s.cookie = ""
	member := map[string]any{"org_id": org["id"], "org_secret": org["org_secret"], "name": "sender"}
	w.org, _ = org["id"].(string)
	w.secret, _ = org["org_secret"].(string)
	bot, _ := s.call("POST", "/api/auth/register", "", member)
	w.token, _ = bot["token"].(string)
	member["name"] = w.peer
	s.call("POST", "/api/auth/register", "", member)
	s.call("PATCH", "/api/org/settings", w.token, map[string]any{"messages_per_minute_per_bot": 1 << 40, "file_upload_mb_per_day_per_bot": 1_000_000_000})
	thread, _ := s.call("POST", "/api/threads", w.token, map[string]any{"topic": "bench", "participants": []string{w.peer}})
	w.thread, _ = thread["id"].(string)
	return w, s.err
}

// newFilledFixture creates a fixture with messages in its thread.
func newFilledFixture(ctx context.Context, url string) (*fixture, error) {
	w, err := newFixture(ctx, url)
	if err != nil {
		return nil, err
	}
	return w, w.fill(ctx)
}

// crowd is an org with many bots.
type crowd struct {
	setup
	names  []string
	tokens []string
}

// newCrowd creates an org with the given number of bots on a server.
func newCrowd(ctx context.Context, url, org string, bots int) (*crowd, error) {
	c := &crowd{setup: setup{ctx: ctx, url: url}}
	_, c.cookie = c.call("POST", "/api/auth/login", "", map[string]any{"type": "super_admin", "admin_secret": "bench"})
	made, _ := c.call("POST", "/api/orgs", "", map[string]any{"name": org})
	c.cookie = ""
	for i := range bots {
		name := fmt.Sprintf("bot-%d", i)
		bot, _ := c.call("POST", "/api/auth/register", "", map[string]any{"org_id": made["id"], "org_secret": made["org_secret"], "name": name})
		token, _ := bot["token"].(string)
		c.names, c.tokens = append(c.names, name), append(c.tokens, token)
	}
	c.call("PATCH", "/api/org/settings", c.tokens[0], map[string]any{"messages_per_minute_per_bot": 1 << 40})
	return c, c.err
}

// newThread creates a thread with all bots.
func (c *crowd) newThread(topic string) (string, error) {
	thread, _ := c.call("POST", "/api/threads", c.tokens[0], map[string]any{"topic": topic, "participants": c.names[1:]})
	id, _ := thread["id"].(string)
	return id, c.err
}

// setup makes calls and stops after the first error.
type setup struct {
	ctx    context.Context
	url    string
	cookie string
	err    error
}

func (s *setup) call(method, path, token string, body any) (answer map[string]any, cookie string) {
	if s.err != nil {
		return nil, ""
	}
	answer, cookie, s.err = s.do(method, path, token, body)
	return answer, cookie
}

func (s *setup) do(method, path, token string, body any) (map[string]any, string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, "", err
	}
	req, err := http.NewRequestWithContext(s.ctx, method, s.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if s.cookie != "" {
		req.Header.Set("Cookie", s.cookie)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode >= 300 {
		return nil, "", fmt.Errorf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	cookie, _, _ := strings.Cut(res.Header.Get("Set-Cookie"), ";")
	if len(raw) == 0 {
		return nil, cookie, nil
	}
	var answer map[string]any
	return answer, cookie, json.Unmarshal(raw, &answer)
}
