package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (p *patient) version(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	res, err := p.clientOf(p.conn.URL, b2b.WithRetries(0)).Server.GetVersion(ctx, &b2bv1.GetVersionRequest{})
	if err != nil {
		return failed(ExitUnreachable, "Is there a path before it, such as https://host/b2b? Does a proxy pass POST requests on? "+
			"curl "+p.conn.URL+"/api/version shows what is there.",
			"it is no B2B server, or something is before it: %s", message(err))
	}
	text := fmt.Sprintf("server %s, with %s; this program is %s", res.GetVersion(), strings.Join(res.GetProfiles(), ", "),
		p.app.Version)
	var missing []string
	for _, needed := range []string{"inbox", "search", "decisions", "files"} {
		if !slices.Contains(res.GetProfiles(), needed) {
			missing = append(missing, needed)
		}
	}
	if len(missing) > 0 {
		return warning("Verbs that need them fail. Upgrade the server, or use one that has them.", "%s; it has no %s", text,
			strings.Join(missing, ", "))
	}
	return fine("%s", text)
}

func (p *patient) health(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	res, err := p.clientOf(p.conn.URL, b2b.WithRetries(0)).Server.GetHealth(ctx, &b2bv1.GetHealthRequest{})
	switch {
	case err != nil:
		return failed(ExitUnreachable, "Ask who operates the server.", "%s", message(err))
	case res.GetStatus() != b2bv1.HealthStatus_HEALTH_STATUS_OK:
		return warning("Ask who operates the server: its log says why.", "the server is %s", b2b.EnumText(res.GetStatus()))
	}
	return fine("ok, up for %v", (time.Duration(res.GetUptimeMs()) * time.Millisecond).Round(time.Second))
}

func (p *patient) checkClock(context.Context) finding {
	skew := p.run.clock.Skew()
	if skew.Abs() < 30*time.Second {
		return fine("that of this machine is right")
	}
	word := "behind"
	if skew < 0 {
		word = "ahead of"
	}
	return warning("Correct it: certificates and times in your own programs depend on it. The verbs go by the clock of the server.",
		"that of this machine is %v %s that of the server", skew.Abs(), word)
}

func (p *patient) token(ctx context.Context) finding {
	if p.conn.Token == "" {
		return failed(ExitCredential, "Join an org (b2b join LINK), or set B2B_TOKEN.", "there is none for this server")
	}
	p.client = p.clientOf(p.conn.URL, b2b.WithToken(p.conn.Token), b2b.WithRetries(0))
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	me, err := p.client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	switch code := b2b.CodeOf(err); {
	case err == nil:
		return fine("of %s, %s of the org", me.GetBot().GetName(), b2b.EnumText(me.GetBot().GetAuthRole()))
	case code == b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE:
		return warning("Use a token with the scope read, or the primary token of the agent.", "it is valid, but may not read")
	case code == b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return failed(ExitForbidden, "An admin of the org approves it: b2b org approve NAME.", "%s", message(err))
	default:
		text, hint, exit := p.reason(err)
		if hint == "" || code == b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN {
			hint = "It is of another server, was revoked, or is not whole. Join again (b2b join LINK), or ask an admin for a new one."
		}
		return failed(exit, hint, "%s", text)
	}
}

// scopes tries calls that change nothing, whatever the token may do.
func (p *patient) scopes(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	const nowhere = "00000000-0000-0000-0000-000000000000"
	var has, lacks []string
	for _, s := range []struct {
		scope string
		try   func() error
	}{
		{"full", func() error {
			_, err := p.client.Tokens.ListTokens(ctx, &b2bv1.ListTokensRequest{Limit: proto.Int32(1)})
			return err
		}},
		{"read", func() error { _, err := p.client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{}); return err }},
		{"thread", func() error {
			_, err := p.client.Threads.ListJoinRequests(ctx, &b2bv1.ListJoinRequestsRequest{ThreadId: nowhere})
			return err
		}},
		{"message", func() error {
			_, err := p.client.Channels.SendChannelMessage(ctx, &b2bv1.SendChannelMessageRequest{ChannelId: proto.String(nowhere)})
			return err
		}},
	} {
		err := s.try()
		switch {
		case b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE:
			lacks = append(lacks, s.scope)
		case err == nil || b2b.DetailOf(err) != nil:
			has = append(has, s.scope)
		default:
			text, hint, exit := p.reason(err)
			return failed(exit, hint, "%s", text)
		}
		if s.scope == "full" && len(has) > 0 {
			return fine("full")
		}
	}
	if len(has) == 0 {
		return warning("It can do almost nothing: create one with more scopes (b2b token create).", "the token has not %s",
			strings.Join(lacks, ", "))
	}
	return warning("What needs the others fails with INSUFFICIENT_SCOPE: use the primary token of the agent, "+
		"or create one with more scopes.",
		"the token has %s, but not %s", strings.Join(has, ", "), strings.Join(lacks, ", "))
}

func (p *patient) websocket(ctx context.Context) finding {
	if err := p.listen(ctx, b2b.WebSocket); err != nil {
		return warning("A proxy before the server must pass on the headers Upgrade and Connection. Without it, "+
			"events come as server-sent events, and the agent is not shown online.",
			"it cannot be opened: %s", message(err))
	}
	return fine("it can be opened")
}

func (p *patient) events(ctx context.Context) finding {
	if err := p.listen(ctx, b2b.ServerSentEvents); err != nil {
		return warning("A proxy before the server must not hold back or cut long responses. b2b read and b2b wait work without it.",
			"a stream of server-sent events does not begin: %s", message(err))
	}
	return fine("server-sent events come at once")
}

var errStarted = errors.New("the listener has started")

// listen opens a subscription and closes it when it has begun.
func (p *patient) listen(ctx context.Context, transport b2b.Transport) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	var mu sync.Mutex
	var last error
	for _, err := range p.client.Listen(ctx, b2b.WithTransport(transport), b2b.WithReady(func() { stop(errStarted) }),
		b2b.WithNotice(func(err error) {
			mu.Lock()
			defer mu.Unlock()
			last = err
		})) {
		if errors.Is(context.Cause(ctx), errStarted) {
			return nil
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			if last != nil {
				return last
			}
			return err
		}
	}
	return nil
}

// programs looks whether the agent programs still have what setup has written.
func (p *patient) programs(context.Context) finding {
	if p.conn.Profile == nil || len(p.conn.Profile.Configured) == 0 {
		return finding{State: stateSkipped, Message: "none is set up: b2b setup"}
	}
	var fineOnes, broken []string
	for _, c := range p.conn.Profile.Configured {
		program, ok := agentconfig.Find(c.Program)
		if !ok {
			continue
		}
		change, err := program.Undo(p.app.Getenv, p.conn.Profile.Name, false)
		if err != nil || change == nil {
			broken = append(broken, program.Title)
			continue
		}
		fineOnes = append(fineOnes, program.Title)
	}
	if len(broken) > 0 {
		return warning("Write it again: b2b setup PROGRAM.", "no entry of this profile any more: %s", strings.Join(broken, ", "))
	}
	return fine("%s", strings.Join(fineOnes, ", "))
}
