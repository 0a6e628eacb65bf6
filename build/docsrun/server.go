package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/build/orgs"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// documented is the address that pages name.
const documented = "localhost:4800"

const adminSecret = "docs-run"

// server is the built server that the pages share. Each has an org of its own.
type server struct {
	*process
	addr  string // localhost:port
	admin *orgs.Admin
}

// freePort returns a port below those that the system gives to outgoing connections, so that it
// stays free until a page starts its server.
func freePort() (string, error) {
	for range 100 {
		port := fmt.Sprint(20000 + rand.IntN(12000))
		l, err := net.Listen("tcp", net.JoinHostPort("", port))
		if err != nil {
			continue // it is used
		}
		return port, l.Close()
	}
	return "", fmt.Errorf("no port is free")
}

func startServer(ctx context.Context, binary, folder string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := start(folder, append(environment(), "B2B_DATA_DIR="+filepath.Join(folder, "data"), "B2B_HOST=127.0.0.1",
		"B2B_PORT="+port, "B2B_ADMIN_SECRET="+adminSecret, "B2B_LOG_LEVEL=info", "B2B_WEBHOOK_ALLOW=127.0.0.1"), binary, "serve")
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	if err := p.printed(ctx, `"listening"`, nil); err != nil {
		p.end()
		return nil, fmt.Errorf("start the server: %w\n%s", err, p.out)
	}
	s := &server{process: p, addr: "localhost:" + port}
	if s.admin, err = orgs.Login(ctx, "http://"+s.addr, adminSecret); err != nil {
		p.end()
		return nil, err
	}
	return s, nil
}

// team makes an org with the bots that pages name, and returns the environment of a page.
func (s *server) team(ctx context.Context) (env []string, err error) {
	env, tokens, err := s.org(ctx, "my-agent", "other-bot", "data-analyst-bot")
	if err != nil {
		return nil, err
	}
	return append(env, "B2B_URL=http://"+s.addr, "B2B_TOKEN="+tokens[0], "OTHER_TOKEN="+tokens[1], "ANALYST_TOKEN="+tokens[2]), nil
}

// org makes an org with these bots, and returns its id and secret as variables, and their tokens.
func (s *server) org(ctx context.Context, names ...string) (env, tokens []string, err error) {
	org, err := s.admin.Org(ctx, "docs", names...)
	if err != nil {
		return nil, nil, err
	}
	return []string{"ORG_ID=" + org.ID, "ORG_SECRET=" + org.Secret}, org.Tokens, nil
}

// A peer is other-bot while a block runs that listens.
type peer struct {
	client *b2b.Client
	id     string
}

func newPeer(ctx context.Context, env []string) (*peer, error) {
	token := valueOf(env, "OTHER_TOKEN")
	if token == "" {
		return nil, fmt.Errorf("OTHER_TOKEN, the token of other-bot, is not set")
	}
	p := &peer{client: b2b.New(valueOf(env, "B2B_URL"), b2b.WithToken(token))}
	me, err := p.client.Bots.GetMe(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("other-bot: %w", err)
	}
	p.id = me.GetBot().GetId()
	return p, nil
}

// say sends a direct message to my-agent every half second, until ctx ends.
func (p *peer) say(ctx context.Context, text string) {
	for ctx.Err() == nil {
		_, _ = p.client.Send(ctx, "my-agent", text) // the block does not end if none arrives
		pause(ctx)
	}
}

// received returns a channel that is closed when another bot has sent a message with this text.
func (p *peer) received(ctx context.Context, text string) <-chan struct{} {
	found := make(chan struct{})
	go func() {
		for event, err := range p.client.Listen(ctx) {
			if err != nil {
				return // ctx has ended
			}
			var with struct {
				Message struct {
					Sender  string `json:"sender_id"`
					Content string `json:"content"`
				} `json:"message"`
			}
			if json.Unmarshal(event.Raw, &with) == nil && with.Message.Sender != p.id && strings.Contains(with.Message.Content, text) {
				close(found)
				return
			}
		}
	}()
	return found
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
}

// valueOf returns a variable of an environment; the last one counts.
func valueOf(env []string, name string) (value string) {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
