package service

import (
	"context"
	"fmt"
	"sort"

	"github.com/b2b-protocol/b2b/internal/botlist"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// botListReads is what the lists of bots need of the store, outside of snapshots.
type botListReads interface {
	OrgVersion(ctx context.Context, org string) (store.OrgVersion, error)
	OnChange(fn func(org string, c store.Changes)) (remove func())
}

func newBotLists(c *core, reads botListReads, single bool) *botlist.Cache {
	return botlist.New(botlist.Config{
		View: func(ctx context.Context, fn func(botlist.Reader) error) error {
			return c.db.View(ctx, func(r Reader) error { return fn(r) })
		},
		Version: reads.OrgVersion, OnChange: reads.OnChange, Single: single, Out: storedBotOut, Now: c.Now,
	})
}

// listKept sets items to the bots of a query without filters, from the lists in memory, and prepares
// the response. next is the name after which the next page begins; empty: there is none. ok is false
// if the bots must be read from the store.
func (s *botService) listKept(ctx context.Context, q store.BotQuery, items *[]*b2bv1.Bot) (next string, ok bool, err error) {
	var all botlist.List
	if q.AfterName == "" && q.Limit > limits.MaxRows {
		if all, err = s.lists.List(ctx, q.OrgID); err != nil {
			return "", false, fmt.Errorf("list bots: %w", err)
		}
	} else { // a page must not cost all bots (B2B-LIM-070)
		all = s.lists.Peek(q.OrgID)
	}
	if all == nil {
		return "", false, nil
	}
	if q.AfterName != "" {
		all = all[sort.Search(len(all), func(i int) bool { return all[i].Bot.GetName() > q.AfterName }):]
	}
	caller := call.CallerOf(ctx)
	list := make(botlist.List, 0, min(len(all), q.Limit))
	room := s.pageBytesLeft()
	for _, e := range all {
		switch {
		case q.ActiveOnly && e.Bot.GetJoinStatus() != b2bv1.JoinStatus_JOIN_STATUS_ACTIVE, e.Bot.GetId() == q.ExceptID:
			continue
		case caller.Kind == call.Bot && e.Bot.GetId() == caller.BotID:
			e = s.ownEntry(e)
		}
		if room -= e.AtMost + 1; len(list) == q.Limit-1 || room < 0 && len(list) > 0 {
			next = list[len(list)-1].Bot.GetName()
			break
		}
		list = append(list, e)
	}
	*items = make([]*b2bv1.Bot, len(list))
	for i, e := range list {
		(*items)[i] = e.Bot
	}
	call.From(ctx).Prepared = &call.Prepared{
		Tag: botlist.Tag(list, next), Size: botlist.Size(list),
		Append: func(b []byte) []byte { return botlist.AppendJSON(b, list) },
	}
	return next, true, nil
}

// ownEntry returns the entry of the calling bot, with the time of its previous call (B2B-AUTH-010).
func (s *botService) ownEntry(e *botlist.Entry) *botlist.Entry {
	seen := s.Access.LastSeen(e.Bot.GetId())
	if seen == 0 || e.Bot.GetLastSeenAt() != nil && millis(e.Bot.GetLastSeenAt()) >= seen {
		return e
	}
	return e.Seen(stamp(seen))
}
