package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/mention"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// reachReader reads how bots can be reached. A message reads that of at most limits.MaxRecipients
// bots, with a fixed number of queries.
type reachReader interface {
	InactiveParticipants(ctx context.Context, thread string, limit int) ([]string, error)
	Addressees(ctx context.Context, org string, ids []string) ([]store.Addressee, error)
	DegradedWebhooks(ctx context.Context, bots []string) ([]string, error)
	NamedBots(ctx context.Context, org, thread string, names []string) ([]store.NamedBot, error)
}

// candidate is a bot that a message may be addressed to.
type candidate struct {
	id, name string
	why      b2bv1.AddressedBy
	inactive bool // it is known not to be active
}

// recipientList collects the recipients of a message of the caller.
type recipientList struct {
	*core
	reads reachReader
	out   *b2bv1.Recipients
}

func (c *core) recipientList(r reachReader) *recipientList {
	return &recipientList{core: c, reads: r, out: &b2bv1.Recipients{}}
}

// direct adds the receiver of a direct message; nil if it was deleted (B2B-RCPT-002).
func (l *recipientList) direct(ctx context.Context, to *store.Addressee) (*b2bv1.Recipients, error) {
	const why = b2bv1.AddressedBy_ADDRESSED_BY_DIRECT
	if to == nil {
		l.miss(candidate{name: unknownName, why: why}, b2bv1.NotReachedReason_NOT_REACHED_REASON_DELETED)
		return l.out, nil
	}
	b := candidate{id: to.ID, name: to.Name, why: why}
	if to.JoinStatus != store.BotActive {
		l.miss(b, inactiveReason(to.JoinStatus))
		return l.out, nil
	}
	degraded, err := l.degraded(ctx, *to)
	if err != nil {
		return nil, err
	}
	l.out.Count, l.out.Addressed = 1, []*b2bv1.Recipient{l.recipient(b, to, len(degraded) > 0)}
	return l.out, nil
}

// list adds the candidates that are active, and the others to those that are not reached.
func (l *recipientList) list(ctx context.Context, all []candidate) error {
	if len(all) == 0 {
		return nil
	}
	var inactive []candidate
	active := slices.DeleteFunc(all, func(b candidate) bool {
		if b.inactive {
			inactive = append(inactive, b)
		}
		return b.inactive
	})
	l.out.Count = int32(len(active))
	shown := slices.Concat(active[:min(len(active), limits.MaxRecipients)], inactive[:min(len(inactive), limits.MaxNotReached)])
	l.out.MoreNotReached = len(inactive) > limits.MaxNotReached
	ids := make([]string, len(shown))
	for i, b := range shown {
		ids[i] = b.id
	}
	known, err := l.reads.Addressees(ctx, call.CallerOf(ctx).OrgID, ids)
	if err != nil {
		return fmt.Errorf("read how bots can be reached: %w", err)
	}
	degraded, err := l.degraded(ctx, known...)
	if err != nil {
		return err
	}
	for _, b := range shown {
		i := slices.IndexFunc(known, func(a store.Addressee) bool { return a.ID == b.id })
		switch {
		case i >= 0 && known[i].JoinStatus == store.BotActive:
			l.out.Addressed = append(l.out.Addressed, l.recipient(b, &known[i], slices.Contains(degraded, b.id)))
			continue
		case i >= 0:
			l.miss(b, inactiveReason(known[i].JoinStatus))
		}
		if !b.inactive {
			l.out.Count--
		}
	}
	return nil
}

// degraded returns those of the bots with a webhook that is degraded.
func (l *recipientList) degraded(ctx context.Context, of ...store.Addressee) ([]string, error) {
	var hooked []string
	for i := range of {
		if of[i].Webhook {
			hooked = append(hooked, of[i].ID)
		}
	}
	if hooked == nil {
		return nil, nil
	}
	degraded, err := l.reads.DegradedWebhooks(ctx, hooked)
	if err != nil {
		return nil, fmt.Errorf("read the health of webhooks: %w", err)
	}
	return degraded, nil
}

// recipient returns an active bot with how it can be reached (B2B-RCPT-003).
func (l *recipientList) recipient(b candidate, a *store.Addressee, degraded bool) *b2bv1.Recipient {
	r := &b2bv1.Recipient{Id: a.ID, Name: a.Name, Why: b.why}
	if a.Online || a.Streaming {
		r.Reach = append(r.Reach, b2bv1.Reach_REACH_LIVE)
	}
	if a.Webhook && !degraded {
		r.Reach = append(r.Reach, b2bv1.Reach_REACH_WEBHOOK)
	}
	if l.nowMS()-a.ClaimedAt < claimMarked.Milliseconds() {
		r.Reach = append(r.Reach, b2bv1.Reach_REACH_WORKER)
	}
	if r.Reach == nil {
		seen := l.Access.LastSeen(a.ID)
		if a.LastSeenAt != nil {
			seen = max(seen, *a.LastSeenAt)
		}
		if seen == 0 {
			seen = a.CreatedAt
		}
		r.OfflineSince = stamp(seen)
	}
	return r
}

// inactiveReason is why a bot with another join status than active is not reached.
func inactiveReason(status string) b2bv1.NotReachedReason {
	if status == store.BotPending {
		return b2bv1.NotReachedReason_NOT_REACHED_REASON_PENDING
	}
	return b2bv1.NotReachedReason_NOT_REACHED_REASON_REJECTED
}

// miss adds a bot that is not reached (B2B-RCPT-004).
func (l *recipientList) miss(b candidate, reason b2bv1.NotReachedReason) {
	if len(l.out.NotReached) == limits.MaxNotReached {
		l.out.MoreNotReached = true
		return
	}
	n := &b2bv1.NotReached{Name: b.name, Why: b.why, Reason: reason, Hint: missHints[reason]}
	if b.id != "" {
		n.Id = &b.id
	}
	l.out.NotReached = append(l.out.NotReached, n)
}

// missHints are what the sender can do when a bot is not reached.
var missHints = map[b2bv1.NotReachedReason]string{
	b2bv1.NotReachedReason_NOT_REACHED_REASON_UNKNOWN:           "No bot of the org has this name. GET /api/bots lists the names.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_NOT_IN_THREAD:     "The bot does not see the thread. Add it as a participant, then name it again.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_LEFT:              "The bot is no longer in the thread. Add it as a participant, then name it again.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_PENDING:           "The bot cannot read anything until an admin of the org approves it.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_REJECTED:          "An admin of the org rejected the bot.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_DELETED:           "The bot was deleted. Nobody gets the message in its place.",
	b2bv1.NotReachedReason_NOT_REACHED_REASON_TOO_MANY_MENTIONS: "A message mentions at most 20 bots. Name this one in another message.",
}

// threadRecipients returns who a thread message of the caller is addressed to. found is what it
// mentions, and here are the participants if it may mention any.
func (s *threadService) threadRecipients(ctx context.Context, tx threadTx, threadID string, found mention.Found, here []store.ParticipantRow, replied *store.RepliedMessage) (*b2bv1.Recipients, error) {
	l := s.recipientList(tx)
	if here == nil && replied == nil {
		return l.out, nil
	}
	named, all := []string{call.CallerOf(ctx).BotID}, []candidate(nil)
	add := func(b candidate) {
		if !slices.Contains(named, b.id) {
			all = append(all, b)
		}
	}
	for _, p := range found.Mentions {
		add(candidate{id: p.ID, name: p.Name, why: b2bv1.AddressedBy_ADDRESSED_BY_MENTION})
	}
	if replied != nil {
		b := candidate{id: deref(replied.SenderID), name: textOr(replied.SenderName, unknownName), why: b2bv1.AddressedBy_ADDRESSED_BY_REPLY}
		present := false
		if b.id != "" { // the sender was not deleted
			p, err := participation(ctx, tx, threadID, b.id)
			if err != nil {
				return nil, err
			}
			present = p != nil
		}
		switch {
		case present && !slices.ContainsFunc(all, func(m candidate) bool { return m.id == b.id }):
			add(b)
		case present:
		case b.id == "":
			l.miss(b, b2bv1.NotReachedReason_NOT_REACHED_REASON_DELETED)
		default:
			l.miss(b, b2bv1.NotReachedReason_NOT_REACHED_REASON_LEFT)
		}
	}
	if found.All {
		for _, b := range all {
			named = append(named, b.id)
		}
		ids, err := tx.InactiveParticipants(ctx, threadID, limits.MaxParticipants)
		if err != nil {
			return nil, fmt.Errorf("list the participants that are not active: %w", err)
		}
		inactive := make(map[string]bool, len(ids))
		for _, id := range ids {
			inactive[id] = true
		}
		for i := range here {
			add(candidate{id: here[i].BotID, name: here[i].Name, why: b2bv1.AddressedBy_ADDRESSED_BY_ALL, inactive: inactive[here[i].BotID]})
		}
	}
	if err := l.list(ctx, all); err != nil {
		return nil, err
	}
	return l.out, l.missed(ctx, threadID, found)
}

// missed adds what a message names beyond its mentions (B2B-RCPT-004).
func (l *recipientList) missed(ctx context.Context, threadID string, named mention.Found) error {
	const why = b2bv1.AddressedBy_ADDRESSED_BY_MENTION
	if !named.All {
		for _, p := range named.Beyond {
			l.miss(candidate{id: p.ID, name: p.Name, why: why}, b2bv1.NotReachedReason_NOT_REACHED_REASON_TOO_MANY_MENTIONS)
		}
	}
	l.out.MoreNotReached = l.out.MoreNotReached || named.More
	if len(named.Others) == 0 {
		return nil
	}
	names := slices.Clone(named.Others)
	for _, name := range named.Others {
		if lower := strings.ToLower(name); lower != name {
			names = append(names, lower)
		}
	}
	known, err := l.reads.NamedBots(ctx, call.CallerOf(ctx).OrgID, threadID, names)
	if err != nil {
		return fmt.Errorf("look up the names in a message: %w", err)
	}
	for _, name := range named.Others {
		bot := bestNamed(known, name)
		if bot == nil {
			l.miss(candidate{name: name, why: why}, b2bv1.NotReachedReason_NOT_REACHED_REASON_UNKNOWN)
			continue
		}
		b := candidate{id: bot.ID, name: bot.Name, why: why}
		switch {
		case bot.ID == "":
			l.miss(b, b2bv1.NotReachedReason_NOT_REACHED_REASON_DELETED)
		case bot.JoinStatus != store.BotActive:
			l.miss(b, inactiveReason(bot.JoinStatus))
		case bot.Left:
			l.miss(b, b2bv1.NotReachedReason_NOT_REACHED_REASON_LEFT)
		default:
			l.miss(b, b2bv1.NotReachedReason_NOT_REACHED_REASON_NOT_IN_THREAD)
		}
	}
	return nil
}

// bestNamed returns what is known by a name: a bot rather than one that was deleted, and then one
// with exactly this name rather than with the name in lower case. It returns nil if there is none.
func bestNamed(known []store.NamedBot, name string) *store.NamedBot {
	var best *store.NamedBot
	rank := 0
	for i := range known {
		k, r := &known[i], 0
		switch k.Name {
		case name:
			r = 2
		case strings.ToLower(name):
			r = 1
		default:
			continue
		}
		if k.ID != "" {
			r += 2
		}
		if r > rank {
			best, rank = k, r
		}
	}
	return best
}
