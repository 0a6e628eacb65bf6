package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/addressing"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Tx is what changes of inboxes need of the store, in an Update of the org.
type Tx interface {
	Inboxes(ctx context.Context) ([]store.Inbox, error)
	OpenInbox(ctx context.Context, i *store.Inbox) error
	SetInboxPosition(ctx context.Context, seq int64) error
	MembersWithInbox(ctx context.Context, scopes []string) ([]store.Membership, error)
	AddDelivery(ctx context.Context, d *store.Delivery) error
	SetDelivery(ctx context.Context, d *store.Delivery) error
	SettleDelivery(ctx context.Context, bot string, seq int64, lease string, now int64) (*store.Delivery, error)
	ReadyDeliveries(ctx context.Context, q store.ReadyQuery) ([]store.Delivery, error)
	LeasedBy(ctx context.Context, bot, prefix string, limit int) ([]store.Delivery, error)
	DueDeliveries(ctx context.Context, now int64, limit int) ([]store.Delivery, error)
	ResumeWaiting(ctx context.Context, bot, scope string) error
	WaitingReported(ctx context.Context, scopes []string) ([]store.Delivery, error)
	FindHead(ctx context.Context, bot, scope string, settled int64) error
	InboxOf(ctx context.Context, bot string) (*store.Inbox, error)
	InboxPosition(ctx context.Context, org string) (int64, error)
	Delivery(ctx context.Context, bot string, seq int64) (*store.Delivery, error)
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error)
	OrgSettings(ctx context.Context, org string) (*store.OrgSettings, error)
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	Participant(ctx context.Context, thread, bot string) (*store.Participant, error)
	IsChannelMember(ctx context.Context, channel, bot string) (bool, error)
	Append(ctx context.Context, e store.Event) (seq int64, err error)
}

// step is how many events one call of Deliver reads.
const step = 1000

// Decider reports whether a bot may decide about requests to join a thread.
type Decider func(ctx context.Context, thread, bot string) (bool, error)

// Deliver adds the next events of the log of an org to the inboxes of its bots. more reports that it
// has not reached the end of the log, and is to be called again, in a transaction of its own.
func Deliver(ctx context.Context, tx Tx, org string, now int64, decides Decider) (more bool, err error) {
	at, err := tx.InboxPosition(ctx, org)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the position of the inboxes: %w", err)
	}
	top, err := tx.LogTop(ctx, org)
	if err != nil {
		return false, fmt.Errorf("find the end of the log: %w", err)
	}
	if at >= top.Seq {
		return false, nil
	}
	d := delivering{tx: tx, org: org, now: now, decides: decides}
	last, err := d.events(ctx, at)
	if err != nil {
		return false, err
	}
	if err := tx.SetInboxPosition(ctx, last); err != nil {
		return false, fmt.Errorf("move the position of the inboxes: %w", err)
	}
	return last < top.Seq || d.reported, nil
}

// Open opens the inbox of a bot unless it is open: it begins with the events after since, a time,
// of the last backlogMost events of the log. The inboxes of the org must be at the end of the log.
func Open(ctx context.Context, tx Tx, org, bot string, since int64, decides Decider) error {
	_, err := tx.InboxOf(ctx, bot)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	top, err := tx.LogTop(ctx, org)
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	after, err := backlog(ctx, tx, org, since, top.Seq)
	if err != nil {
		return err
	}
	box := &store.Inbox{BotID: bot, OrgID: org, OpenedSeq: after}
	if err := tx.OpenInbox(ctx, box); err != nil {
		return fmt.Errorf("open an inbox: %w", err)
	}
	if _, err := tx.InboxPosition(ctx, org); errors.Is(err, store.ErrNotFound) {
		if err := tx.SetInboxPosition(ctx, top.Seq); err != nil {
			return fmt.Errorf("start the inboxes of an org: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("read the position of the inboxes: %w", err)
	}
	d := delivering{tx: tx, org: org, decides: decides, only: bot}
	for after < top.Seq {
		if after, err = d.events(ctx, after); err != nil {
			return err
		}
	}
	return nil
}

// backlog returns the seq before the first event of the last backlogMost that is not older than a
// time. Everything after it is delivered to a new inbox, so what an inbox skips is known by its
// OpenedSeq: nobody takes it for done.
func backlog(ctx context.Context, tx Tx, org string, since, top int64) (int64, error) {
	after := max(top-backlogMost, 0)
	for after < top {
		rows, err := tx.ReadLog(ctx, org, after, step)
		if err != nil || len(rows) == 0 {
			return after, err
		}
		for i := range rows {
			if rows[i].At >= since {
				return after, nil
			}
			after = rows[i].Seq
		}
	}
	return after, nil
}

// backlogMost is how many events of the log are looked at for a new inbox.
const backlogMost = 4000

// delivering adds events to inboxes.
type delivering struct {
	tx       Tx
	org      string
	now      int64
	decides  Decider
	waiting  []store.Delivery // of messages that asked for receipts, in the scopes of the events
	reported bool             // it has appended events to the log
	only     string           // a new inbox; empty: all
	changed  []inboxScope     // that have new deliveries
}

// inboxScope is a thread or channel in the inbox of a bot.
type inboxScope struct{ bot, scope string }

// addressed is an event that is addressed to bots.
type addressed struct {
	row     *store.Event
	scope   string
	channel bool // the scope is a channel
	to      []addressing.To
	// sender and message are set for a message that asked for receipts.
	sender, message *string
}

// events adds the events after a seq, and returns the seq of the last that it looked at.
func (d *delivering) events(ctx context.Context, after int64) (last int64, err error) {
	rows, err := d.tx.ReadLog(ctx, d.org, after, step)
	if err != nil {
		return 0, fmt.Errorf("read the log: %w", err)
	}
	if len(rows) == 0 {
		return 0, fmt.Errorf("read the log: there are no events after %d", after)
	}
	var found []addressed
	var scopes []string
	for i := range rows {
		row := &rows[i]
		if !addressing.Addresses(row.Type) {
			continue
		}
		a, err := address(row)
		if err != nil {
			return 0, err
		}
		if len(a.to) > 0 {
			found = append(found, a)
			if a.scope != "" {
				scopes = append(scopes, a.scope)
			}
		}
	}
	last = rows[len(rows)-1].Seq
	if len(found) == 0 {
		return last, nil
	}
	members := map[string][]store.Membership{}
	if len(scopes) > 0 {
		all, err := d.tx.MembersWithInbox(ctx, scopes)
		if err != nil {
			return 0, fmt.Errorf("list the members with an inbox: %w", err)
		}
		for _, m := range all {
			members[m.ScopeID] = append(members[m.ScopeID], m)
		}
		if d.waiting, err = d.tx.WaitingReported(ctx, scopes); err != nil {
			return 0, fmt.Errorf("list the deliveries that wait: %w", err)
		}
	}
	for i := range found {
		if err := d.deliver(ctx, &found[i], members[found[i].scope]); err != nil {
			return 0, err
		}
	}
	return last, d.resume(ctx)
}

// resume queues what waited in the scopes that have new deliveries, and finds their heads, once for
// all new deliveries of a scope.
func (d *delivering) resume(ctx context.Context) error {
	slices.SortFunc(d.changed, func(a, b inboxScope) int { return cmp.Or(cmp.Compare(a.bot, b.bot), cmp.Compare(a.scope, b.scope)) })
	for _, at := range slices.Compact(d.changed) {
		if err := d.tx.ResumeWaiting(ctx, at.bot, at.scope); err != nil {
			return fmt.Errorf("resume the deliveries that wait: %w", err)
		}
		if err := d.reportResumed(ctx, at.bot, at.scope); err != nil {
			return err
		}
		if err := d.tx.FindHead(ctx, at.bot, at.scope, 0); err != nil {
			return fmt.Errorf("find the next delivery of a scope: %w", err)
		}
	}
	d.changed = nil
	return nil
}

// address finds to whom an event is addressed.
func address(row *store.Event) (addressed, error) {
	event, ok := row.Decoded.(*b2bv1.Event)
	if !ok {
		event = &b2bv1.Event{}
		if err := proto.Unmarshal(row.Payload, event); err != nil {
			return addressed{}, fmt.Errorf("decode event %d of org %s: %w", row.Seq, row.OrgID, err)
		}
	}
	about := ""
	if row.BotID != nil {
		about = *row.BotID
	}
	a := addressed{row: row, to: addressing.Of(event, about)}
	a.scope, a.channel = scopeOf(row, event)
	if id := reportedOf(row, event); id != "" {
		a.sender, a.message = row.ActorID, &id
	}
	return a, nil
}

// scopeOf returns the thread or channel of an event.
func scopeOf(row *store.Event, event *b2bv1.Event) (id string, channel bool) {
	switch {
	case row.Type == eventtype.ThreadJoinResolved:
		return event.GetThreadJoinResolved().GetThreadId(), false
	case row.Type == eventtype.DeliveryUpdated:
		u := event.GetDeliveryUpdated()
		return u.GetThreadId() + u.GetChannelId(), u.ChannelId != nil // it has one of them
	case row.Type == eventtype.DeliveryEscalated:
		o := event.GetDeliveryEscalated().GetOverdue()
		return o.GetThreadId() + o.GetChannelId(), o.ChannelId != nil
	case row.ThreadID != nil:
		return *row.ThreadID, false
	case row.ChannelID != nil:
		return *row.ChannelID, true
	}
	return "", false
}

// deliver adds an event to the inboxes of those that it is addressed to, once to each. members are
// the memberships of bots with an inbox in its scope.
func (d *delivering) deliver(ctx context.Context, a *addressed, members []store.Membership) error {
	done := map[string]bool{}
	if a.row.ActorID != nil {
		done[*a.row.ActorID] = true
	}
	for _, to := range a.to {
		bots, err := d.bots(ctx, a.row, to, members)
		if err != nil {
			return err
		}
		for _, bot := range bots {
			if done[bot] || d.only != "" && bot != d.only {
				continue
			}
			done[bot] = true
			if to.Kind == b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_REQUEST && a.scope != "" {
				may, err := d.decides(ctx, a.scope, bot)
				if err != nil {
					return err
				}
				if !may {
					continue
				}
			}
			if err := d.put(ctx, a, bot, to.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// bots returns the bots with an inbox that to stands for.
func (d *delivering) bots(ctx context.Context, row *store.Event, to addressing.To, members []store.Membership) (bots []string, err error) {
	switch {
	case to.Admins:
		return d.admins(ctx)
	case to.Outside:
		_, err := d.tx.InboxOf(ctx, to.Bot)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		return []string{to.Bot}, err
	}
	for i := range members {
		m := &members[i]
		if m.Has(row.Seq) && (to.Bot == "" || to.Bot == m.BotID) {
			bots = append(bots, m.BotID)
		}
	}
	return bots, nil
}

// admins returns the admin bots of the org with an inbox.
func (d *delivering) admins(ctx context.Context) (bots []string, err error) {
	boxes, err := d.tx.Inboxes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list inboxes: %w", err)
	}
	for _, box := range boxes {
		bot, err := d.tx.Bot(ctx, d.org, box.BotID)
		if err != nil {
			return nil, fmt.Errorf("read a bot with an inbox: %w", err)
		}
		if bot.AuthRole == store.AuthAdmin {
			bots = append(bots, box.BotID)
		}
	}
	return bots, nil
}

func (d *delivering) put(ctx context.Context, a *addressed, bot string, kind b2bv1.DeliveryKind) error {
	err := d.tx.AddDelivery(ctx, &store.Delivery{
		BotID: bot, Seq: a.row.Seq, OrgID: d.org, ScopeID: a.scope, Kind: int64(kind), State: store.DeliveryQueued, At: a.row.At,
		SenderID: a.sender, MessageID: a.message, InChannel: a.channel,
	})
	if err != nil {
		return fmt.Errorf("store a delivery: %w", err)
	}
	d.changed = append(d.changed, inboxScope{bot, a.scope})
	return nil
}
