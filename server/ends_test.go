package server_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/server"
)

// B2B-WS-030, B2B-EVT-037: streams over Connect and gRPC end when their token expires, with that
// error; those of a token that does not expire go on.
func TestStreamsEndInTime(t *testing.T) {
	t.Parallel()
	const life, late = 8 * time.Second, 5 * time.Second // a heartbeat comes after 15 s
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "own")
	for name, options := range map[string][]connect.ClientOption{"Connect": nil, "gRPC-web": {connect.WithGRPCWeb()}, "gRPC": {connect.WithGRPC()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := &http.Transport{Protocols: new(http.Protocols)}
			over.Protocols.SetHTTP1(name != "gRPC")
			over.Protocols.SetUnencryptedHTTP2(name == "gRPC")
			t.Cleanup(over.CloseIdleConnections)
			client := b2bv1connect.NewEventServiceClient(&http.Client{Transport: over}, n.url, options...)
			open := func(ctx context.Context, c caller) *connect.ServerStreamForClient[b2bv1.SubscribeResponse] {
				ctx, info := connect.NewClientContext(ctx)
				info.RequestHeader().Set("Authorization", c.header.Get("Authorization"))
				s, err := client.Subscribe(ctx, &b2bv1.SubscribeRequest{})
				if err == nil && !s.Receive() {
					err = s.Err()
				}
				if err != nil {
					t.Fatalf("the stream does not begin: %v", err)
				}
				return s
			}
			began := time.Now()
			made := n.must(t, o.member, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"read"}, "expires_in": life.Milliseconds()})
			short := bearer("short", "bot", "read", made["token"].(string))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ends, stays := open(t.Context(), short), open(ctx, o.member)
			for ends.Receive() {
			}
			if took := time.Since(began); took < life || took > life+late {
				t.Errorf("ended after %v", took)
			}
			if code := connect.CodeOf(ends.Err()); code != connect.CodeUnauthenticated {
				t.Errorf("ended with %v", ends.Err())
			}
			n.publish(t, o.id, name)
			if !stays.Receive() {
				t.Errorf("the stream of a token without a time: %v", stays.Err())
			}
			cancel()
			_, _ = ends.Close(), stays.Close() // both are over
		})
	}
}
