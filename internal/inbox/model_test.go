package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	kindDirect  = int64(b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT)
	kindMention = int64(b2bv1.DeliveryKind_DELIVERY_KIND_MENTION)
	kindReply   = int64(b2bv1.DeliveryKind_DELIVERY_KIND_REPLY)
	kindAll     = int64(b2bv1.DeliveryKind_DELIVERY_KIND_ALL)
	kindInvite  = int64(b2bv1.DeliveryKind_DELIVERY_KIND_INVITATION)
)

// histories returns how many histories a test plays: few, or as B2B_TEST_SEEDS says.
func histories(few int) int {
	if n, err := strconv.Atoi(os.Getenv("B2B_TEST_SEEDS")); err == nil {
		return n
	}
	return few
}

// TestHistories plays random histories of sends, claims, answers, expiry, crashes, leaving and
// deletion, and compares the inboxes after each step with a model that keeps every delivery in a
// list (B2B-DLV-002 to 017). B2B_TEST_SEEDS plays more of them.
func TestHistories(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *sqlstore.Store) {
		done := map[string]int{}
		for seed := range histories(20) {
			p := newPlay(newFixture(t, s, fmt.Sprint("o", seed)), uint64(seed))
			for range 60 {
				p.step()
				p.receipts()
				p.compare()
			}
			for what, n := range p.done {
				done[what] += n
			}
		}
		for _, what := range []string{"claim", "unordered", "kinds", "scope", "repeated", "ack", "nack", "final", "extend", "wait", "lost", "expired", "dead", "redeliver", "undone", "resumed", "reported", "receipt", "unreported"} {
			if done[what] == 0 {
				t.Errorf("no history has %q", what)
			}
		}
	})
}

// modelled is a delivery of the model. Those that are done stay in the list.
type modelled struct {
	seq, at, kind, attempt, due int64
	bot, scope, lease           string
	state                       store.DeliveryState // 0: done
}

// countAgain counts the attempt of a delivery that waited.
func (m *modelled) countAgain() {
	if m.state == store.DeliveryWaiting {
		m.attempt++
	}
}

type play struct {
	*fixture
	rng              *rand.Rand
	bots, gone       []string
	threads, direct  []string
	members          map[string][]string // of threads and channels
	open             map[string]bool
	items            []*modelled
	pending          []func() // deliveries of events that no claim has looked at
	leases           [][3]string
	attempts, claims int64
	done             map[string]int
	asked            map[int64]asking // messages that asked for receipts, by the seq of the event
	told             map[string]told  // what senders were told last, by message and bot
	read             int64            // how far receipts has read the log
}

func newPlay(f *fixture, seed uint64) *play {
	p := &play{
		fixture: f, rng: rand.New(rand.NewPCG(seed, 5)), members: map[string][]string{}, open: map[string]bool{},
		attempts: store.DefaultDeliveryAttempts, done: map[string]int{}, asked: map[int64]asking{}, told: map[string]told{},
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		p.bots = append(p.bots, f.bot(name))
	}
	for _, name := range []string{"t1", "t2"} {
		id := f.thread(name, p.bots...)
		p.threads = append(p.threads, id)
		p.members[id] = slices.Clone(p.bots)
	}
	for _, pair := range [][2]int{{0, 1}, {0, 2}} {
		id := f.channel(p.bots[pair[0]], p.bots[pair[1]])
		p.direct = append(p.direct, id)
		p.members[id] = []string{p.bots[pair[0]], p.bots[pair[1]]}
	}
	if p.rng.IntN(3) == 0 {
		p.attempts = 2
		f.update(func(tx store.Tx) error {
			settings := store.DefaultSettings(f.org)
			settings.DeliveryAttempts = &p.attempts
			return tx.PutOrgSettings(context.Background(), settings)
		})
	}
	for _, b := range p.bots[:3] {
		p.openInbox(b)
	}
	return p
}

func (p *play) openInbox(bot string) {
	p.deliver()
	p.look()
	p.update(func(tx store.Tx) error {
		return inbox.Open(context.Background(), tx, p.org, bot, p.clock+1, everyone)
	})
	p.open[bot] = true
}

// look is what Deliver does, in the model.
func (p *play) look() {
	for _, deliver := range p.pending {
		deliver()
	}
	p.pending = nil
}

func (p *play) pick(from []string) string { return from[p.rng.IntN(len(from))] }

func (p *play) step() {
	p.clock += int64(p.rng.IntN(3)) * 700
	switch n := p.rng.IntN(20); {
	case n < 6:
		p.send()
	case n < 11:
		p.claim()
	case n < 17:
		p.answer()
	case n == 17:
		p.move()
	case n == 18:
		p.redeliver()
	default:
		p.clock += 20_000
	}
}

// addressed adds deliveries to the model when the event is looked at.
func (p *play) addressed(seq int64, scope, by string, kinds map[string]int64) {
	at := p.clock
	p.pending = append(p.pending, func() {
		for _, bot := range p.bots {
			kind := kinds[bot]
			if kind == 0 || bot == by || !p.open[bot] {
				continue
			}
			for _, m := range p.items {
				if m.bot == bot && m.scope == scope && m.state == store.DeliveryWaiting {
					m.state, m.due, m.lease = store.DeliveryQueued, 0, ""
					p.done["resumed"]++
				}
			}
			p.items = append(p.items, &modelled{seq: seq, at: at, kind: kind, bot: bot, scope: scope, state: store.DeliveryQueued})
		}
	})
}

// send sends a message, in a change that is undone at times.
func (p *play) send() {
	kinds := map[string]int64{}
	var scope string
	var to store.Event
	var e *b2bv1.Event
	if p.rng.IntN(3) == 0 {
		scope = p.pick(p.direct)
	} else {
		scope = p.pick(p.threads)
	}
	if len(p.members[scope]) == 0 {
		return
	}
	by := p.pick(p.members[scope])
	var receipts *bool
	if p.rng.IntN(2) == 0 {
		receipts = new(true)
	}
	id := fmt.Sprint("m", p.rng.Uint64())
	if slices.Contains(p.direct, scope) {
		to, e = direct(scope, by)
		e.GetMessage().Message = &b2bv1.ChannelMessage{Id: id, Receipts: receipts}
		for _, b := range p.members[scope] {
			kinds[b] = kindDirect
		}
	} else {
		m := &b2bv1.ThreadMessage{Id: id, Receipts: receipts}
		if p.rng.IntN(3) == 0 {
			m.MentionAll = true
			for _, b := range p.members[scope] {
				kinds[b] = kindAll
			}
		}
		if p.rng.IntN(3) == 0 { // an author may have left
			author := p.pick(p.bots)
			m.ReplyToMessage = &b2bv1.ReplyPreview{SenderId: &author}
			if slices.Contains(p.members[scope], author) {
				kinds[author] = kindReply
			}
		}
		if p.rng.IntN(2) == 0 {
			named := p.pick(p.members[scope])
			m.Mentions = []*b2bv1.Mention{{BotId: named}}
			kinds[named] = kindMention
		}
		to, e = inThread(scope, by, m)
	}
	undone := p.rng.IntN(8) == 0
	var seq int64
	err := p.store.Update(context.Background(), p.org, func(tx store.Tx) (err error) {
		if seq, err = p.append(tx, to, e); err == nil && undone {
			err = errUndone
		}
		return err
	})
	switch {
	case undone:
		p.done["undone"]++
	case err != nil:
		p.Fatal(err)
	default:
		p.addressed(seq, scope, by, kinds)
		if receipts != nil {
			p.asked[seq] = asking{id, by}
		}
	}
}

var errUndone = errors.New("undone")

// expire ends leases and waits in the model. At most a hundred end at once, which a history does not
// reach.
func (p *play) expire() {
	for _, m := range p.items {
		switch {
		case m.due > p.clock || p.goneBot(m.bot):
		case m.state == store.DeliveryWaiting:
			m.state, m.due, m.lease = store.DeliveryQueued, 0, ""
		case m.state == store.DeliveryLeased:
			p.retry(m, nil)
			p.done["expired"]++
		}
	}
}

func (p *play) goneBot(bot string) bool { return slices.Contains(p.gone, bot) }

func (p *play) retry(m *modelled, in *time.Duration) {
	m.lease = ""
	if m.attempt >= p.attempts {
		m.state, m.due = store.DeliveryDead, 0
		p.done["dead"]++
		return
	}
	pause := time.Second << (m.attempt - 1)
	if in != nil {
		pause = *in
	}
	m.state, m.due = store.DeliveryQueued, p.clock+pause.Milliseconds()
}

// ready lists what a claim may get: of each scope the first, unless another one is leased or the
// first one pauses.
func (p *play) ready(q store.ReadyQuery) (out []*modelled) {
	seen := map[string]bool{}
	fits := func(m *modelled) bool {
		return (q.Scope == nil || *q.Scope == m.scope) && (q.Kinds == nil || slices.Contains(q.Kinds, m.kind))
	}
	for _, m := range p.items {
		if m.bot != q.BotID || m.state != store.DeliveryQueued {
			continue
		}
		if q.Unordered {
			if m.due <= p.clock && fits(m) {
				out = append(out, m)
			}
			continue
		}
		if seen[m.scope] {
			continue
		}
		if p.held(q.BotID, m.scope) || !fits(m) {
			continue
		}
		seen[m.scope] = true
		out = append(out, m)
	}
	if len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out
}

// held reports whether nothing of a scope may be handed out: one is leased, or the first pauses.
func (p *play) held(bot, scope string) bool {
	first := true
	for _, m := range p.items {
		if m.bot != bot || m.scope != scope {
			continue
		}
		if m.state == store.DeliveryLeased || first && m.state == store.DeliveryQueued && m.due > p.clock {
			return true
		}
		if m.state == store.DeliveryQueued {
			first = false
		}
	}
	return false
}

func (p *play) claim() {
	bot := p.pick(p.bots[:3])
	p.claims++
	c := inbox.Claim{OrgID: p.org, Length: time.Duration(1+p.rng.IntN(20)) * time.Second, Lease: fmt.Sprint("lease", p.claims, ".")}
	c.ReadyQuery = store.ReadyQuery{BotID: bot, Now: p.clock, Limit: 1 + p.rng.IntN(3)}
	what := "claim"
	switch p.rng.IntN(8) {
	case 0:
		what, c.Unordered = "unordered", true
	case 1:
		what, c.Kinds = "kinds", []int64{kindMention, kindDirect}
	case 2:
		what, c.Scope = "scope", new(p.pick(append(p.threads, p.direct...)))
	case 3:
		what, c.Unordered, c.Kinds, c.Scope = "unordered", true, []int64{kindMention, kindAll, kindInvite}, new(p.pick(p.threads))
	}
	repeated := p.rng.IntN(6) == 0
	if repeated {
		c.Repeats = c.Lease
	}
	p.deliver()
	p.look()
	p.expire()
	want := p.ready(c.ReadyQuery)
	undone := p.rng.IntN(10) == 0
	take := func() (got []store.Delivery) {
		err := p.store.Update(context.Background(), p.org, func(tx store.Tx) (err error) {
			if got, err = inbox.Take(context.Background(), tx, c); err == nil && undone {
				err = errUndone
			}
			return err
		})
		if err != nil && !(undone && errors.Is(err, errUndone)) {
			p.Fatal(err)
		}
		return got
	}
	got := take()
	if len(got) != len(want) {
		p.Fatalf("%s %+v: claimed %d, want %d", what, c.ReadyQuery, len(got), len(want))
	}
	if undone { // also what expired
		p.done["undone"]++
		undone = false
		p.update(func(tx store.Tx) error { return inbox.EndDue(context.Background(), tx, p.org, p.clock) })
		return
	}
	if len(got) > 0 {
		p.done[what]++
	}
	for i, d := range got {
		m := want[i]
		m.state, m.attempt, m.due, m.lease = store.DeliveryLeased, m.attempt+1, p.clock+c.Length.Milliseconds(), c.Lease+"."+inbox.ID(m.seq)
		if d.Seq != m.seq {
			p.Fatalf("%s: claimed %d, want %d", what, d.Seq, m.seq)
		}
		p.leases = append(p.leases, [3]string{bot, inbox.ID(m.seq), m.lease})
	}
	if repeated && len(got) > 0 {
		p.done["repeated"]++
		again := take()
		if !slices.EqualFunc(again, got, func(a, b store.Delivery) bool { return a.Seq == b.Seq && *a.Lease == *b.Lease }) {
			p.Fatalf("a repeated claim got %+v, not %+v", again, got)
		}
	}
}

// find returns the delivery that an answer is for; nil: its lease is lost.
func (p *play) find(bot, id, lease string) *modelled {
	for _, m := range p.items {
		held := m.state == store.DeliveryLeased || m.state == store.DeliveryWaiting
		if m.bot == bot && inbox.ID(m.seq) == id && held && m.lease == lease && m.due > p.clock && !p.goneBot(bot) {
			return m
		}
	}
	return nil
}

// answer answers with a lease, which may have ended or belong to another delivery.
func (p *play) answer() {
	if len(p.leases) == 0 {
		return
	}
	l := p.leases[len(p.leases)-1-p.rng.IntN(min(len(p.leases), 4))]
	if p.rng.IntN(12) == 0 {
		l[p.rng.IntN(3)] = p.leases[p.rng.IntN(len(p.leases))][p.rng.IntN(3)]
	}
	m := p.find(l[0], l[1], l[2])
	a := &inbox.Answer{OrgID: p.org, BotID: l[0], ID: l[1], Lease: l[2], Now: p.clock}
	length := time.Duration(1+p.rng.IntN(9)) * time.Second
	what := []string{"ack", "ack", "nack", "final", "extend", "wait"}[p.rng.IntN(6)]
	err := p.store.Update(context.Background(), p.org, func(tx store.Tx) (err error) {
		ctx := context.Background()
		switch what {
		case "ack":
			_, err = a.Ack(ctx, tx)
		case "nack":
			_, err = a.Nack(ctx, tx, &length, false, "later")
		case "final":
			_, err = a.Nack(ctx, tx, nil, true, "never")
		case "extend":
			_, err = a.Extend(ctx, tx, length, new("working"))
		default:
			_, err = a.Wait(ctx, tx, b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_HUMAN, length, nil)
		}
		return err
	})
	if m == nil {
		p.done["lost"]++
		if !call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST) {
			p.Fatalf("%s of a lost lease: %v", what, err)
		}
		return
	}
	if err != nil {
		p.Fatalf("%s: %v", what, err)
	}
	p.done[what]++
	switch what {
	case "ack":
		m.state = 0
	case "nack":
		m.countAgain()
		p.retry(m, &length)
	case "final":
		m.countAgain()
		p.retry(m, nil)
		m.state, m.due = store.DeliveryFailed, 0
	case "extend":
		m.countAgain()
		m.state, m.due = store.DeliveryLeased, p.clock+length.Milliseconds()
	case "wait":
		if m.state == store.DeliveryLeased {
			m.attempt--
		}
		m.state, m.due = store.DeliveryWaiting, p.clock+length.Milliseconds()
	}
}

// move lets a bot leave or join a thread, or deletes one.
func (p *play) move() {
	scope, bot := p.pick(p.threads), p.pick(p.bots)
	action := b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED
	there := slices.Contains(p.members[scope], bot)
	if there {
		action = b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT
	}
	by := p.pick(p.bots)
	var seq int64
	p.update(func(tx store.Tx) (err error) {
		e := &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{ThreadId: scope, BotId: bot, By: by, Action: action}}}
		if !there {
			if err := tx.AddParticipant(context.Background(), &store.Participant{ThreadID: scope, BotID: bot, JoinedAt: p.clock}); err != nil {
				return err
			}
		}
		to := toThread(scope, by)
		to.BotID = &bot
		if seq, err = p.append(tx, to, e); err != nil || !there {
			return err
		}
		return tx.RemoveParticipant(context.Background(), scope, bot)
	})
	if there {
		p.members[scope] = slices.DeleteFunc(slices.Clone(p.members[scope]), func(b string) bool { return b == bot })
		return
	}
	p.members[scope] = append(slices.Clone(p.members[scope]), bot)
	if by != bot {
		p.addressed(seq, scope, by, map[string]int64{bot: kindInvite})
	}
}

func (p *play) redeliver() {
	for _, m := range p.items {
		if m.state != store.DeliveryFailed && m.state != store.DeliveryDead {
			continue
		}
		p.update(func(tx store.Tx) error {
			d, err := tx.Delivery(context.Background(), m.bot, m.seq)
			if err != nil {
				return err
			}
			if ok, err := inbox.Redeliver(context.Background(), tx, d, p.clock); err != nil || !ok {
				return fmt.Errorf("redeliver %d: %v, %w", m.seq, ok, err)
			}
			return nil
		})
		m.state, m.attempt, m.due = store.DeliveryQueued, 0, 0
		p.done["redeliver"]++
		return
	}
}

// compare compares all deliveries, without looking at new events.
func (p *play) compare() {
	for _, bot := range p.bots {
		var want []string
		for _, m := range p.items {
			if m.bot == bot && m.state != 0 {
				want = append(want, fmt.Sprint(m.seq, m.scope, m.kind, m.state, m.attempt, m.due, m.lease, m.at))
			}
		}
		rows, err := p.store.Deliveries(context.Background(), store.DeliveryQuery{BotID: bot, Limit: 1000})
		if err != nil {
			p.Fatal(err)
		}
		var got []string
		for _, d := range rows {
			lease := ""
			if d.Lease != nil {
				lease = *d.Lease
			}
			got = append(got, fmt.Sprint(d.Seq, d.ScopeID, d.Kind, d.State, d.Attempt, d.Due, lease, d.At))
		}
		if !slices.Equal(got, want) {
			p.Fatalf("inbox of %s:\n got %v\nwant %v", bot, got, want)
		}
	}
}
