package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/b2b-protocol/b2b/internal/a2a"
	"github.com/b2b-protocol/b2b/internal/call"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// cards finds the bots whose cards anybody may read (package service).
type cards interface {
	Public(ctx context.Context, id string) (*b2bv1.Bot, error)
}

// a2aBinding serves the agents at /a2a/{bot} (B2B-A2A).
type a2aBinding struct {
	*door
	agents *a2a.Handler
	cards  cards
}

func newA2A(d *door, c cards, p *pushes) *a2aBinding {
	return &a2aBinding{door: d, cards: c, agents: a2a.New(a2a.Config{Client: d.client, Pushes: p, Log: d.log})}
}

// ServeHTTP implements http.Handler. The path begins with /a2a/.
func (b *a2aBinding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	agent, path, _ := strings.Cut(r.URL.Path[len("/a2a/"):], "/")
	if path != "" {
		path = "/" + strings.TrimSuffix(path, "/")
	}
	if path == a2asrv.WellKnownAgentCardPath && r.Header.Get("Authorization") == "" {
		b.servePublicCard(w, r, agent)
		return
	}
	b.admit(w, r, "a2a", func(w http.ResponseWriter, r *http.Request) error {
		info := call.From(r.Context())
		return apiError(b.agents.Serve(w, r.WithContext(call.ThroughA2A(r.Context())), a2a.Request{
			Caller: info.Caller.BotID, Agent: agent, Base: info.BaseURL, Path: path,
		}))
	})
}

// apiError returns the error of a call that the gateway made as one of this server.
func apiError(err error) error {
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(err, a2a.ErrNoPath):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "Not found")
	case errors.Is(err, a2a.ErrNoAgent):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "There is no such agent").
			WithHint("A bot is an agent of A2A once its profile has protocols.a2a.")
	}
	detail := b2b.DetailOf(err)
	var of *connect.Error
	if detail == nil || !errors.As(err, &of) {
		return err
	}
	return call.Errorf(detail.GetCode(), "%s", of.Message()).WithHint(detail.GetHint())
}

// servePublicCard serves the card of a bot to anybody, if its org shows it. Pages of other origins may
// read it: it is the same for all.
func (b *a2aBinding) servePublicCard(w http.ResponseWriter, r *http.Request, agent string) {
	info := b.edge.Info(r, "a2a")
	bot, err := b.cards.Public(r.Context(), agent)
	if err == nil && !a2a.Serves(bot) {
		err = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "Authentication required")
	}
	if err == nil {
		err = b.agents.ServePublicCard(w, r, bot, info.BaseURL)
	}
	if err != nil {
		b.refuse(w, r, info, apiError(err))
	}
}
