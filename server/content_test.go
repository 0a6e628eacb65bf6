package server_test

import (
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/server"
)

// TestLongestContentArrives checks that content of the longest configurable length is accepted over
// every binding, and one unit more is not (B2B-ENV-008).
func TestLongestContentArrives(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(c *server.Config) { c.MaxMessage = limits.MostContent })
	o := n.newOrg(t, "own")
	socket := n.dial(t, o.member, "")
	s := &storer{T: t, o: o}
	for more, taken := range map[string]bool{"": true, "x": false} {
		content := strings.Repeat("x", limits.MostContent) + more
		for binding, got := range map[string]string{
			"REST":              n.send(o.member, "POST", "/api/send", encode(t, map[string]any{"to": o.at["bot"], "content": content})).code(),
			"REST, in a thread": n.send(o.member, "POST", "/api/threads/"+o.at["thread"]+"/messages", encode(t, map[string]any{"content": content})).code(),
			"Connect": connectCode(n.send(o.member, "POST", "/b2b.v1.ChannelService/SendDirectMessage",
				encode(t, map[string]any{"to": o.at["bot"], "content": content}), "Connect-Protocol-Version", "1")),
			"WebSocket": s.frame(socket, map[string]any{"type": "send", "ref": "r" + more, "channel_id": o.at["channel"], "content": content}),
		} {
			if want := map[bool]string{true: "", false: "VALIDATION_ERROR"}[taken]; got != want {
				t.Errorf("%d units over %s: %q, want %q", len(content), binding, got, want)
			}
		}
	}
}
