package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/b2b-protocol/b2b/internal/a2a"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/rpc"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/webhook"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// pushes lets clients of A2A keep push configs (a2a.Pushes). No operation of the schema does, as only A2A
// has them; they run in the pipeline like one.
type pushes struct {
	service  *service.Pushes
	pipeline *call.Pipeline
}

// The operations of pushes, with the scopes that a token needs.
var (
	readPushes   = pushOperation("ReadPushConfigs", optionsv1.Scope_SCOPE_READ, false)
	changePushes = pushOperation("ChangePushConfigs", optionsv1.Scope_SCOPE_THREAD, true)
)

func pushOperation(name string, scope optionsv1.Scope, changes bool) *call.Operation {
	return &call.Operation{
		Procedure: "/a2a/" + name, Changes: changes,
		Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}, Scope: scope},
	}
}

// do runs fn as the bot of the request in ctx. Its error is that of a call over Connect, as those of the
// client in the process.
func (p *pushes) do(ctx context.Context, op *call.Operation, fn func(context.Context) error) error {
	info := *call.From(ctx)
	info.Operation = op
	_, err := p.pipeline.Do(ctx, &info, nil, nil, func(ctx context.Context) (proto.Message, error) {
		return &emptypb.Empty{}, fn(ctx)
	})
	if err != nil {
		return rpc.ToConnect(err)
	}
	return nil
}

// CheckURL implements a2a.Pushes.
func (p *pushes) CheckURL(ctx context.Context, address string) error {
	return p.do(ctx, changePushes, func(ctx context.Context) error { return p.service.CheckURL(ctx, address) })
}

// Set implements a2a.Pushes.
func (p *pushes) Set(ctx context.Context, c a2a.Push) error {
	return p.do(ctx, changePushes, func(ctx context.Context) error {
		return p.service.Set(ctx, service.PushConfig{ID: c.ID, Thread: c.Thread, Agent: c.Agent, Target: seal.PushTarget{
			URL: c.URL, Token: c.Token, Scheme: c.Scheme, Credentials: c.Credentials, Base: c.Base,
		}})
	})
}

// List implements a2a.Pushes.
func (p *pushes) List(ctx context.Context, thread string) (out []a2a.Push, err error) {
	err = p.do(ctx, readPushes, func(ctx context.Context) error {
		all, err := p.service.List(ctx, thread)
		out = nil // it may run again
		for _, c := range all {
			out = append(out, a2a.Push{ID: c.ID, Thread: c.Thread, Agent: c.Agent, URL: c.Target.URL, Scheme: c.Target.Scheme})
		}
		return err
	})
	return out, err
}

// Delete implements a2a.Pushes.
func (p *pushes) Delete(ctx context.Context, thread, id string) error {
	return p.do(ctx, changePushes, func(ctx context.Context) error { return p.service.Delete(ctx, thread, id) })
}

// Types implements webhook.Tasks.
func (b *a2aBinding) Types() []string { return a2a.ChangingTypes() }

// Notification implements webhook.Tasks. It calls the server as the bot of the token that made the push
// config, while that is valid: by its hash, which only a request within the process can have.
func (b *a2aBinding) Notification(ctx context.Context, p *store.PushConfig, base string) (webhook.Notification, error) {
	var none webhook.Notification
	_, host, _ := strings.Cut(base, "://") // a client may have sent a Host that is none
	host, _, _ = strings.Cut(host, "/")
	inside := &http.Request{Header: http.Header{}, Host: host, RemoteAddr: "127.0.0.1:0"}
	ctx = call.WithToken(call.ThroughA2A(within(ctx, inside)), p.TokenHash)
	info := &call.Info{Credentials: call.Credentials{TokenHash: p.TokenHash}, Caller: &call.Caller{}, Via: "a2a", BaseURL: base}
	var n a2a.Notification
	err := b.pipeline.Identify(ctx, info)
	if err != nil {
		e, _ := call.AsError(err)
		err = a2a.Unreadable(err, e.Code)
	} else {
		n, err = b.agents.Notify(ctx, a2a.Request{Caller: p.BotID, Agent: p.AgentID, Base: base}, p.ThreadID)
	}
	switch {
	case errors.Is(err, a2a.ErrNoTask):
		return none, errors.Join(webhook.ErrEnded, err)
	case errors.Is(err, a2a.ErrNotActive):
		return none, errors.Join(webhook.ErrPaused, err)
	}
	return webhook.Notification(n), err
}
