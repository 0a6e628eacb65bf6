package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestCatchUpModel compares catch-up and its count with a reference that reads the whole log,
// while bots post, join, leave, join again and are deleted, clocks jump, an import has left rows,
// and the log is pruned.
func TestCatchUpModel(t *testing.T) {
	t.Parallel()
	played := []uint64{3, 5, 6, 7} // together they have all that a seed decides
	for seed := range seeds(0) {
		played = append(played, uint64(100+seed))
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		for _, seed := range played {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); catchUpModel(t, newFixture(t), seed, 256) })
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fx := newFixtureOn(t, pgtest.URL(t))
		for _, seed := range played[3:] {
			catchUpModel(t, fx.another(fmt.Sprint("org", seed)), seed, 512)
		}
	})
}

type catchUpPlay struct {
	*fixture
	rng               *rand.Rand
	bots              []string
	threads, channels []string
}

// catchUpModel plays a seed on a database, of which changes index the log when as many events wait.
func catchUpModel(t *testing.T, fx *fixture, seed uint64, every int) {
	rng := rand.New(rand.NewPCG(seed, 7))
	p := &catchUpPlay{fixture: fx, rng: rng, bots: fx.bots(5)}
	for i := range 4 {
		p.threads = append(p.threads, fx.thread(p.bots[i], p.bots[(i+1)%5]))
	}
	for i := range 3 {
		p.channels = append(p.channels, fx.channel(p.bots[i], p.bots[i+2]))
	}
	if seed%3 == 0 { // rows of an import, to some of which later events are added
		for i, bot := range p.bots[:3] {
			fx.importRow(bot, fmt.Sprint(fx.org, "i", i), 100+int64(i), messagesOf(p.threads[i], 5, 100))
			fx.importRow(bot, fmt.Sprint(fx.org, "j", i), 200+int64(i), messagesOf("gone", 2, 200))
		}
	}
	if seed%2 == 1 { // clocks that differ
		fx.late = func() int64 { return rng.Int64N(8) }
		if seed%3 == 1 {
			fx.late = func() int64 { return rng.Int64N(8) * time.Hour.Milliseconds() }
		}
	}
	for round := range 12 {
		for range 25 {
			p.act()
			if rng.IntN(6) == 0 {
				p.index()
			}
		}
		if round%4 == 2 && round < 8 && seed%6 == 5 {
			p.burst(every)
		}
		switch {
		case round%3 == 1 && seed%4 == 1:
			fx.clock.Add(-40) // a clock that is set back
		case round%2 == 0 && seed%4 == 2: // by hours and days
			fx.clock.Add((rng.Int64N(2*72) - 72) * time.Hour.Milliseconds())
		case seed%4 == 3: // an event that is far ahead
			fx.clock.Add(30 * 24 * time.Hour.Milliseconds())
			fx.news()
			p.act()
			fx.clock.Add(-30 * 24 * time.Hour.Milliseconds())
		}
		if round%3 == 2 && seed%2 == 0 { // retention, down to few events
			limit := 1 + rng.IntN(int(p.top()-p.history()[0].Seq))
			fx.update(fx.org, func(tx store.Tx) error { _, err := tx.PruneLog(t.Context(), math.MaxInt64, limit); return err })
		}
		if round == 8 {
			fx.update(fx.org, func(tx store.Tx) error {
				_, err := tx.DeleteBot(t.Context(), fx.org, p.bots[4], p.bots[0], 1)
				return err
			})
			p.bots = p.bots[:4]
		}
		for range 6 {
			p.compare(t)
		}
	}
}

// act makes one random change.
func (p *catchUpPlay) act() {
	pick := func(of []string) string { return of[p.rng.IntN(len(of))] }
	thread, bot := pick(p.threads), pick(p.bots)
	switch p.rng.IntN(14) {
	case 0, 1:
		p.join(thread, bot, pick(p.bots))
	case 2:
		p.leave(thread, bot, pick(p.bots))
	case 3:
		p.artifact(thread, bot, pick([]string{"k", "l"}), 1)
	case 4:
		p.status(thread)
	case 5:
		p.news()
	case 6:
		p.emit(toThread(thread), message(thread, "org:org", "by a human"))
	case 7, 8, 9:
		p.postInChannel(pick(p.channels), bot, "x")
	default:
		p.post(thread, bot, "x")
	}
}

// burst posts so much that the log is indexed by that, while some changes fail.
func (p *catchUpPlay) burst(every int) {
	failed := errors.New("failed")
	for i := range every + 50 {
		if i%100 == 50 {
			err := p.store.Update(context.Background(), p.org, func(tx store.Tx) error {
				if err := p.appendEvent(tx, toThread(p.threads[0]), message(p.threads[0], p.bots[0], "undone")); err != nil {
					return err
				}
				return failed
			})
			if !errors.Is(err, failed) {
				p.Fatal(err)
			}
		}
		p.post(p.threads[p.rng.IntN(2)], p.bots[p.rng.IntN(len(p.bots))], "x")
	}
	if behind, err := p.store.LogsBehind(context.Background(), int64(every), "", 100); err != nil || slices.Contains(behind, p.org) {
		p.Fatalf("behind: %v, %v", behind, err)
	}
}

// index indexes some of the events that wait.
func (p *catchUpPlay) index() {
	if err := p.store.IndexLog(context.Background(), p.org, 1+p.rng.IntN(40)); err != nil {
		p.Fatal(err)
	}
}

// compare compares the answers for a random bot and begin.
func (p *catchUpPlay) compare(t *testing.T) {
	t.Helper()
	v := p.bot(p.bots[p.rng.IntN(len(p.bots))])
	history := p.history()
	first, top := history[0].Seq, p.top()
	since, cursor, from := int64(0), "", first-1
	switch p.rng.IntN(5) {
	case 0: // everything
	case 1: // nothing
		since = p.clock.Load()
	case 2: // a position
		since, from = store.TimeBeginning, first-1+p.rng.Int64N(top-first+2)
		at := eventlog.Position{Epoch: p.start().Epoch, Seq: from}
		cursor = at.String()
	default:
		since = history[p.rng.IntN(len(history))].At + p.rng.Int64N(3) - 1
	}
	want := p.reference(v, from, since, top)
	if cursor == "" {
		n, err := eventlog.Count(t.Context(), p.store, v, since)
		if got := countsOf(want); err != nil || n != got {
			t.Fatalf("%s since %d: counted %+v, %v, want %+v of\n%s", v.BotID, since, n, err, got, strings.Join(want, "\n"))
		}
	}
	for _, limit := range []int{1 + p.rng.IntN(4), 1000} {
		rows, _ := p.catchUp(v, since, cursor, limit, func() {
			if p.rng.IntN(4) == 0 {
				p.act()
			}
			if p.rng.IntN(4) == 0 {
				p.index()
			}
		})
		var got []string
		for _, r := range rows {
			got = append(got, rowText(&r))
		}
		if limit == 1000 && p.top() != top { // the pages of before had the older top
			want = p.reference(v, from, since, p.top())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s from %d since %d by %d: got\n%s\nwant\n%s", v.BotID, from, since, limit, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// rowText returns what reference returns of a row.
func rowText(r *eventlog.CatchUpRow) string {
	return fmt.Sprintf("%s %s %s%s x%d at %d", r.Type, r.EventID, r.ThreadID, r.ChannelID, r.Count, r.OccurredAt)
}

// reference returns the rows of a catch-up from the events above from and up to top.
func (p *catchUpPlay) reference(v eventlog.Viewer, from, since, top int64) []string {
	p.Helper()
	type row struct {
		typ, id, where string
		count, at, seq int64
	}
	var rows []*row
	sums := map[string]*row{}
	members, err := p.store.Memberships(context.Background(), v.BotID)
	if err != nil {
		p.Fatal(err)
	}
	sees := func(id string, seq int64) bool {
		return slices.ContainsFunc(members, func(m store.Membership) bool {
			return m.ScopeID == id && m.JoinedSeq <= seq && (m.LeftSeq == nil || seq <= *m.LeftSeq)
		})
	}
	for _, e := range p.history() {
		if e.Seq <= from || e.Seq > top || e.At <= since {
			continue
		}
		if e.Type == "catchup_carried" {
			old := &b2bv1.CatchupEvent{}
			if err := proto.Unmarshal(e.Payload, old); err != nil {
				p.Fatal(err)
			}
			if m := old.GetThreadMessageSummary(); *e.BotID == v.BotID {
				r := &row{eventtype.CatchUpThreadMessageSummary, old.EventId, m.ThreadId, int64(m.Count), e.At, e.Seq}
				rows, sums[eventtype.CatchUpThreadMessageSummary+m.ThreadId] = append(rows, r), r
			}
			continue
		}
		var id string
		switch e.Audience {
		case store.AudienceThread:
			id = *e.ThreadID
		case store.AudienceChannel:
			id = *e.ChannelID
		}
		if !sees(id, e.Seq) {
			continue
		}
		var payload b2bv1.Event
		if err := proto.Unmarshal(e.Payload, &payload); err != nil {
			p.Fatal(err)
		}
		sum := map[string]string{
			"message": eventtype.CatchUpChannelMessageSummary, "thread_message": eventtype.CatchUpThreadMessageSummary, "thread_artifact": eventtype.CatchUpThreadArtifactAdded,
		}[e.Type]
		one := ""
		switch m := payload.GetThreadParticipant(); {
		case e.Type == "thread_status_changed":
			one = eventtype.CatchUpThreadStatusChanged
		case m == nil || m.BotId != v.BotID:
		case m.Action == left:
			one = eventtype.CatchUpThreadParticipantRemoved
		case m.By != v.BotID:
			one = eventtype.CatchUpThreadInvited
		}
		if one != "" {
			rows = append(rows, &row{one, fmt.Sprintf("%s:%d", one, e.Seq), id, 1, e.At, e.Seq})
		}
		if sum == "" || e.ActorID != nil && *e.ActorID == v.BotID {
			continue
		}
		r := sums[sum+id]
		if r == nil {
			r = &row{typ: sum, id: sum + ":" + id, where: id}
			rows, sums[sum+id] = append(rows, r), r
		}
		r.count, r.at, r.seq = r.count+1, e.At, e.Seq
	}
	slices.SortFunc(rows, func(a, b *row) int { return int(a.seq - b.seq) })
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s %s %s x%d at %d", r.typ, r.id, r.where, r.count, r.at))
	}
	return out
}

// countsOf counts rows of the reference.
func countsOf(rows []string) (c eventlog.Counts) {
	for _, r := range rows {
		c.Total++
		switch typ, _, _ := strings.Cut(r, " "); typ {
		case eventtype.CatchUpThreadInvited:
			c.ThreadInvites++
		case eventtype.CatchUpThreadStatusChanged:
			c.ThreadStatusChanges++
		case eventtype.CatchUpChannelMessageSummary:
			c.ChannelMessages++
		default:
			c.ThreadActivities++
		}
	}
	return c
}
