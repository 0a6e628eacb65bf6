package rest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/rest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

type streamer func(ctx context.Context, req proto.Message, send func(proto.Message) error) error

func streams(s streamer) func(*rest.Config) {
	return func(c *rest.Config) {
		for _, op := range c.Operations {
			if op.Procedure == b2bv1connect.EventServiceSubscribeProcedure {
				op.Stream = s
			}
		}
	}
}

func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	const get = "GET /api/events\nAuthorization: Bearer bot"
	head := strings.Replace(get, "GET", "HEAD", 1)
	events := func(ctx context.Context, _ proto.Message, send func(proto.Message) error) error {
		push := call.From(ctx).Push
		return errors.Join(
			push(call.Pushed{Cursor: "c1"}),
			push(call.Pushed{Type: "message", Cursor: "c2", Wire: []byte(`{"type":"message"}`)}),
			push(call.Pushed{Type: "bot_online", Wire: []byte(`{"type":"bot_online"}`)}),
			send(&b2bv1.LogoutResponse{}),
		)
	}
	all := "retry: 2000\n\n: heartbeat\nid: c1\n\nid: c2\nevent: message\ndata: {\"type\":\"message\"}\n\n" +
		"event: bot_online\ndata: {\"type\":\"bot_online\"}\n\ndata: {\"ok\":false}\n\n"
	for _, c := range []struct {
		name    string
		request string
		stream  streamer
		status  int
		want    string
	}{
		{"all", get, events, 200, all},
		{"none", get, func(context.Context, proto.Message, func(proto.Message) error) error { return nil }, 200, "retry: 2000\n\n"},
		{"head", head, func(ctx context.Context, _ proto.Message, send func(proto.Message) error) error {
			return call.From(ctx).Push(call.Pushed{Cursor: "c1"}) // the stream ends here
		}, 200, ""},
		{"head refused", head, func(context.Context, proto.Message, func(proto.Message) error) error {
			return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, "Too old")
		}, 410, ""},
		{"refused before", get, func(context.Context, proto.Message, func(proto.Message) error) error {
			return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, "Too old")
		}, 410, `{"error":"Too old","code":"CURSOR_EXPIRED"}`},
		{"refused after", get, func(ctx context.Context, m proto.Message, send func(proto.Message) error) error {
			return errors.Join(events(ctx, m, send), call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "No\nmore"))
		}, 200, all + ": the stream ends\nevent: error\ndata: {\"error\":\"No\\nmore\",\"code\":\"FORBIDDEN\"}\n\n"},
		{"resume", get, func(ctx context.Context, m proto.Message, send func(proto.Message) error) error {
			return errors.Join(events(ctx, m, send), call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "Slow").With("cursor", "c3"))
		}, 200, all + ": the stream ends\nevent: resume\ndata: {\"error\":\"Slow\",\"code\":\"UNAVAILABLE\",\"retry_after\":1,\"cursor\":\"c3\"}\n\n"},
		{"broken", get, func(ctx context.Context, m proto.Message, send func(proto.Message) error) error {
			return errors.Join(events(ctx, m, send), errors.New("the password is 1234"))
		}, 200, all + ": the stream ends\nevent: resume\ndata: {\"error\":\"Internal server error\",\"code\":\"INTERNAL_ERROR\"}\n\n"},
		{"panic", get, func(ctx context.Context, m proto.Message, send func(proto.Message) error) error { panic("oops") },
			500, `{"error":"Internal server error","code":"INTERNAL_ERROR"}`},
		{"nobody", "GET /api/events", events, 401, `{"error":"Who are you?","code":"AUTH_REQUIRED"}`},
	} {
		res := do(t, server(t, streams(c.stream), nil), c.request)
		body := bodyOf(t, res)
		if res.StatusCode != c.status || body != c.want && c.name != "nobody" {
			t.Errorf("%s: %d %q, want %d %q", c.name, res.StatusCode, body, c.status, c.want)
		}
		kind := res.Header.Get("Content-Type")
		if stream := strings.HasPrefix(kind, "text/event-stream"); stream != (c.status == 200) || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.name, res.Header)
		}
	}
}

func TestStreamRequest(t *testing.T) {
	t.Parallel()
	var got *b2bv1.SubscribeRequest
	h := server(t, streams(func(_ context.Context, m proto.Message, _ func(proto.Message) error) error {
		got = m.(*b2bv1.SubscribeRequest)
		return nil
	}), nil)
	do(t, h, "GET /api/events?cursor=a&types=x,y&thread_ids=t&channel_ids=c,d\nAuthorization: Bearer bot")
	a, b := "a", "b"
	want := &b2bv1.SubscribeRequest{Cursor: &a, Types: []string{"x", "y"}, ThreadIds: []string{"t"}, ChannelIds: []string{"c", "d"}}
	if !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	do(t, h, "GET /api/events?cursor=a\nAuthorization: Bearer bot\nLast-Event-ID: b")
	if want := (&b2bv1.SubscribeRequest{Cursor: &b}); !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
