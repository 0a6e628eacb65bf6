package mcp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// noticed is how many deliveries a notice counts.
const noticed = 20

// notice returns a line about what is addressed to the agent and was not handed out; empty: nothing. It
// has counts and kinds only, no text of others.
func (t *tools) notice(ctx context.Context) string {
	if !t.Scopes.allow(scopeOf(&b2bv1.ListDeliveriesRequest{})) || !t.Scopes.allow(scopeOf(&b2bv1.ClaimInboxRequest{})) {
		return ""
	}
	if err := t.inboxes.open(ctx, t.Client); err != nil {
		return failedNotice(err)
	}
	res, err := t.Client.Deliveries.ListDeliveries(ctx, &b2bv1.ListDeliveriesRequest{
		State: b2bv1.DeliveryState_DELIVERY_STATE_QUEUED.Enum(), Limit: proto.Int32(noticed),
	})
	if err != nil {
		return failedNotice(err)
	}
	kinds, all := map[string]int{}, 0
	for _, d := range res.GetItems() {
		if d.GetDueAt() == nil || !d.GetDueAt().AsTime().After(time.Now()) {
			kinds[b2b.EnumText(d.GetKind())]++
			all++
		}
	}
	if all == 0 {
		return ""
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		parts = append(parts, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	more := ""
	if res.GetHasMore() {
		more = "more than "
	}
	return fmt.Sprintf("b2b notice: %s%d waiting for you (%s). Take the next one with wait.", more, all, strings.Join(parts, ", "))
}

func failedNotice(err error) string {
	return "b2b notice: what waits for you could not be looked up: " + failureOf(err).Code
}

// mostInboxes bounds what inboxes remembers.
const mostInboxes = 10_000

// inboxes remembers the bots whose inbox was opened, so that what is addressed to them from then on is
// noticed before they wait for the first time.
type inboxes struct {
	mu     sync.Mutex
	opened map[string]bool
}

// open opens the inbox of the calling bot with a claim that nothing matches.
func (b *inboxes) open(ctx context.Context, c *b2b.Client) error {
	bot := requestOf(ctx).bot
	b.mu.Lock()
	known := b.opened[bot]
	b.mu.Unlock()
	if known {
		return nil
	}
	if _, err := c.Deliveries.ClaimInbox(ctx, &b2bv1.ClaimInboxRequest{ThreadId: proto.String("none")}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened == nil || len(b.opened) >= mostInboxes {
		b.opened = make(map[string]bool)
	}
	b.opened[bot] = true
	return nil
}
