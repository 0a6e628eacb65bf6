package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// addContext adds to deliveries of threads what is needed to act on them (B2B-DLV-007). Each gets an
// equal part of the room that the response has.
func (s *deliveryService) addContext(ctx context.Context, bot string, items []item, out []*b2bv1.Delivery) error {
	room := s.pageBytesLeft()
	for _, d := range out {
		room -= wire.SizeAtMost(d)
	}
	room /= len(out)
	for i := range items {
		if out[i].ThreadId == nil {
			continue
		}
		var err error
		if out[i].Context, err = s.contextOf(ctx, bot, items[i].ScopeID, room); err != nil {
			return err
		}
	}
	return nil
}

// contextOf returns the context of a thread; nil if the bot is not in it.
func (s *deliveryService) contextOf(ctx context.Context, bot, id string, room int) (*b2bv1.DeliveryContext, error) {
	p, err := participation(ctx, s.reads, id, bot)
	if err != nil || p == nil {
		return nil, err
	}
	t, _, err := s.enter(ctx, s.reads, id, false)
	if err != nil {
		return nil, err
	}
	since, err := s.reads.SettledAt(ctx, bot, id)
	if err != nil {
		return nil, fmt.Errorf("read what was settled last: %w", err)
	}
	out := &b2bv1.DeliveryContext{Thread: threadOut(t)}
	room -= wire.SizeAtMost(out.Thread)
	rows, err := s.reads.ThreadMessages(ctx, id, store.MessageRange{Since: &since, Limit: limits.MaxContextMessages + 1})
	if err != nil {
		return nil, fmt.Errorf("list the messages of a context: %w", err)
	}
	if out.MoreMessages = len(rows) > limits.MaxContextMessages; out.MoreMessages {
		rows = rows[1:]
	}
	out.Messages = threadMessagesOut(rows)
	for i := len(out.Messages) - 1; i >= 0; i-- { // the newest that there is room for
		if room -= wire.SizeAtMost(out.Messages[i]) + 1; room < 0 {
			out.Messages, out.MoreMessages = out.Messages[i+1:], true
			break
		}
	}
	artifacts, err := s.reads.Artifacts(ctx, id, &store.PageKey{At: since}, limits.MaxContextArtifacts)
	if err != nil {
		return nil, fmt.Errorf("list the artifacts of a context: %w", err)
	}
	for i := range artifacts {
		artifacts[i].Content = nil
		a := artifactOut(&artifacts[i])
		if room -= wire.SizeAtMost(a) + 1; room < 0 {
			break
		}
		out.Artifacts = append(out.Artifacts, a)
	}
	return out, nil
}
