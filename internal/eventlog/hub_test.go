package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func wantCode(t *testing.T, err error, code b2bv1.ErrorCode) {
	t.Helper()
	var e *call.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func wantSeqs(t *testing.T, what string, got []int64, want ...int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestVisibleEvents(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		h := fx.hub(eventlog.Config{})
		b := fx.bots(4)
		fx.change(func(tx store.Tx) error { return tx.SetBotRole(context.Background(), b[3], store.AuthAdmin) })
		first := fx.top()
		start := eventlog.Position{Epoch: fx.start().Epoch, Seq: first}
		live := map[string]*eventlog.Subscription{}
		views := map[string]eventlog.Viewer{"a": fx.bot(b[0]), "b": fx.bot(b[1]), "c": fx.bot(b[2]), "admin": fx.bot(b[3]), "human": fx.human()}
		for name, v := range views {
			live[name] = fx.subscribe(h, v, nil)
		}
		thread := fx.thread(b[0], b[1])                                                   // 1, 2, 3
		channel := fx.channel(b[0], b[1])                                                 // 4
		fx.post(thread, b[0], "one")                                                      // 5
		fx.postInChannel(channel, b[1], "two")                                            // 6
		fx.join(thread, b[2], b[0])                                                       // 7
		fx.leave(thread, b[1], b[1])                                                      // 8
		fx.post(thread, b[2], "three")                                                    // 9
		fx.emit(store.Event{Audience: store.AudienceBot, BotID: &b[1]}, renamed("for b")) // 10
		fx.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))       // 11
		fx.emit(store.Event{Audience: store.AudienceInternal}, renamed("for nobody"))     // 12
		want := map[string][]int64{
			"a": {1, 2, 3, 4, 5, 6, 7, 8, 9}, "b": {1, 2, 3, 4, 5, 6, 7, 8, 10}, "c": {7, 8, 9}, "admin": {11}, "human": {1, 4, 11},
		}
		got := map[string][]int64{}
		for name, s := range live {
			got[name] = fx.seqs(s)
		}
		for name, v := range views {
			replayed := fx.seqs(fx.subscribe(h, v, &start))
			replayed = slices.DeleteFunc(replayed, func(seq int64) bool { return seq > 12 })
			got[name] = slices.DeleteFunc(got[name], func(seq int64) bool { return seq > 12 })
			wantSeqs(t, name+" live", got[name], want[name]...)
			wantSeqs(t, name+" replayed", replayed, want[name]...)
		}
	})
}

func TestReadersShareBytes(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	thread := fx.thread(b...)
	one, two := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
	fx.post(thread, b[0], "hi")
	x, y := fx.next(one), fx.next(two)
	if x != y || !strings.Contains(string(x.Wire), `"content":"hi"`) || x.Event.GetThreadMessage().GetMessage().GetContent() != "hi" {
		t.Errorf("got %p %s and %p", x, x.Wire, y)
	}
	cursorOf(fx, x)
}

func TestInvalidPositions(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		h := fx.hub(eventlog.Config{})
		bot := fx.bots(1)[0]
		at := func(p eventlog.Position) error {
			s, err := h.Subscribe(t.Context(), fx.bot(bot), &p, eventlog.Filter{})
			if err == nil {
				s.Close()
			}
			return err
		}
		s := fx.subscribe(h, fx.bot(bot), nil)
		var seen []eventlog.Position
		for range 6 {
			fx.news()
			seen = append(seen, fx.next(s).Position)
		}
		top := seen[5]
		for _, p := range append(seen, *fx.start()) {
			if err := at(p); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
		wantCode(t, at(eventlog.Position{Epoch: top.Epoch, Seq: top.Seq + 1, Check: 1}), b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD)
		wantCode(t, at(eventlog.Position{Epoch: "other", Seq: 1, Check: seen[0].Check}), b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)
		wantCode(t, at(eventlog.Position{Epoch: top.Epoch, Seq: 2, Check: seen[1].Check + 1}), b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)

		prune := func(limit int) {
			fx.update(fx.org, func(tx store.Tx) error {
				_, err := tx.PruneLog(t.Context(), 1<<50, limit)
				return err
			})
		}
		prune(3)
		wantCode(t, at(*fx.start()), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		wantCode(t, at(seen[1]), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		for _, p := range seen[2:] { // pruning kept the events after these
			if err := at(p); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
		prune(100)
		wantCode(t, at(seen[4]), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		for _, p := range []*eventlog.Position{&top, nil} {
			s := fx.subscribe(h, fx.bot(bot), p)
			fx.news()
			fx.next(s)
		}
		if _, err := h.Subscribe(t.Context(), eventlog.Viewer{OrgID: "nowhere", BotID: bot}, nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrAccess) {
			t.Errorf("an unknown org: %v", err)
		}
	})
}

func TestExpiresDuringReplay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	bot := fx.bots(1)[0]
	fx.manyNews(1200)
	s := fx.subscribe(h, fx.bot(bot), fx.start())
	fx.next(s)
	fx.update(fx.org, func(tx store.Tx) error { _, err := tx.PruneLog(t.Context(), 1<<50, 1100); return err })
	for range 127 { // the page in hand
		fx.next(s)
	}
	_, err := s.Next(t.Context())
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
	if _, again := s.Next(t.Context()); again != err {
		t.Errorf("the error is not final: %v", again)
	}
}

func TestSlowReader(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Queue: 8, Grace: 1})
	b := fx.bots(2)
	thread := fx.thread(b...)
	slow, quick := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
	fx.post(thread, b[0], "read")
	last := fx.next(slow).Position
	fx.next(quick)
	for i := range 20 {
		fx.post(thread, b[0], fmt.Sprint(i))
		fx.next(quick)
	}
	_, err := slow.Next(t.Context())
	var e *eventlog.SlowError
	if !errors.As(err, &e) || e.Resume != last {
		t.Fatalf("got %v, want to resume from %v", err, last)
	}
	again := fx.subscribe(h, fx.bot(b[0]), &e.Resume)
	got := fx.seqs(again)
	wantSeqs(t, "resumed", got, span(last.Seq+1, last.Seq+20)...)
}

// TestBurst: a reader is not slow because many events are committed at once.
func TestBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		h := fx.hub(eventlog.Config{Queue: 8, Grace: 200 * time.Millisecond})
		s := fx.subscribe(h, fx.bot(fx.bots(1)[0]), nil)
		time.Sleep(250 * time.Millisecond) // a reader that waits for events is not slow
		fx.manyNews(100)
		wantSeqs(t, "got", fx.seqs(s), span(1, 100)...)
		fx.manyNews(8*16 + 1)
		other := fx.subscribe(h, fx.human(), nil) // after them
		fx.news()
		fx.next(other)
		if _, err := s.Next(t.Context()); !errors.As(err, new(*eventlog.SlowError)) {
			t.Errorf("more than a burst: %v", err)
		}
	})
}

func span(from, to int64) (seqs []int64) {
	for ; from <= to; from++ {
		seqs = append(seqs, from)
	}
	return seqs
}

// TestSlowReplay: a reader that is far behind loses its queue, but neither its position nor the
// items of After.
func TestSlowReplay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Queue: 8, Grace: 1})
	bot := fx.bots(1)[0]
	fx.manyNews(30)
	s := fx.subscribe(h, fx.bot(bot), fx.start()) // joins at once, and replays 30
	fx.next(s)
	s.After("local")
	other := fx.subscribe(h, fx.bot(bot), nil)
	for range 50 { // until the tail has handled them
		fx.news()
		fx.next(other)
	}
	var got []int64
	local := false
	for len(got) < 79 || !local {
		it := fx.next(s)
		if it.Local != nil {
			local = true
			continue
		}
		got = append(got, it.Position.Seq)
	}
	wantSeqs(t, "replayed", got, span(2, 80)...)
}

func TestAfter(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	thread := fx.thread(b...)
	s := fx.subscribe(h, fx.bot(b[0]), nil)
	for i := range 100 {
		fx.post(thread, b[0], fmt.Sprint(i))
		s.After(i)
	}
	for i := range 100 {
		if it := fx.next(s); it.Event.GetThreadMessage().GetMessage().GetContent() != fmt.Sprint(i) {
			t.Fatalf("got %s, want event %d", it.Wire, i)
		}
		if it := fx.next(s); it.Local != i {
			t.Fatalf("got %v, want acknowledgement %d", it.Local, i)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		h := fx.hub(eventlog.Config{})
		b := fx.bots(2)
		one, two := fx.thread(b...), fx.thread(b...) // 1 to 6
		channel := fx.channel(b[0], b[1])            // 7
		start := fx.start()
		say := func() {
			fx.post(one, b[0], "x")              // 8
			fx.post(two, b[0], "x")              // 9
			fx.postInChannel(channel, b[0], "x") // 10
			fx.news()                            // 11
		}
		say()
		for _, v := range []eventlog.Viewer{fx.bot(b[0]), fx.human()} {
			s := fx.subscribe(h, v, start, eventlog.Filter{Types: []string{"thread_message", "message"}, Threads: []string{one}, Channels: []string{channel}})
			for _, want := range []int64{8, 10} {
				if it := fx.next(s); it.Position.Seq != want {
					t.Errorf("%v: got %d, want %d", v, it.Position.Seq, want)
				}
			}
			s.Close()
		}
		types := fx.subscribe(h, fx.bot(b[0]), start, eventlog.Filter{Types: []string{"bot_renamed"}})
		if it := fx.next(types); it.Position.Seq != 11 {
			t.Errorf("got %d", it.Position.Seq)
		}
	})
}

// waitForTail waits until the tail has handled the commits of this node.
func waitForTail(fx *fixture, s *eventlog.Subscription) {
	s.After(fx)
	if it := fx.next(s); it.Local != fx {
		fx.Errorf("got %s", it.Wire)
	}
}

func TestWatching(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	thread, channel := fx.thread(b...), fx.channel(b[0], b[1]) // to 4
	s := fx.subscribe(h, fx.human(), nil)
	fx.post(thread, b[0], "x") // 5
	waitForTail(fx, s)
	if err := s.Watch([]string{thread}, []string{channel}); err != nil {
		t.Fatal(err)
	}
	fx.post(thread, b[0], "x")               // 6
	fx.postInChannel(channel, b[0], "x")     // 7
	wantSeqs(t, "watched", fx.seqs(s), 6, 7) // 8 is the news
	waitForTail(fx, s)
	s.Unwatch([]string{thread}, nil)
	fx.post(thread, b[0], "x")                  // 9
	fx.postInChannel(channel, b[0], "x")        // 10
	wantSeqs(t, "watched less", fx.seqs(s), 10) // 11
	var ids []string
	for i := range 99 {
		ids = append(ids, fmt.Sprint(i))
	}
	if err := s.Watch(ids, nil); err != nil {
		t.Errorf("100 of them: %v", err)
	}
	wantCode(t, s.Watch(ids[:1], nil), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
	wantCode(t, fx.subscribe(h, fx.bot(b[0]), nil).Watch([]string{thread}, nil), b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
	_, err := h.Subscribe(t.Context(), fx.human(), nil, eventlog.Filter{Threads: ids, WatchChannels: ids[:2]})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
}

// TestPosition: the position of a reader without visible events advances with the log.
func TestPosition(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(3)
	thread := fx.thread(b[0])
	s := fx.subscribe(h, fx.bot(b[2]), nil)
	for range 5 {
		fx.post(thread, b[0], "x")
	}
	s.After(true)
	fx.next(s)
	if p := s.Position(); p.Seq != fx.top() {
		t.Errorf("at %d, the top is %d", p.Seq, fx.top())
	}
	fx.news()
	if p := s.Position(); p.Seq == fx.top() {
		t.Error("the position is after an event that was not read")
	}
	it := fx.next(s)
	if p := s.Position(); p != it.Position {
		t.Errorf("at %v, read %v", p, it.Position)
	}
}

// TestNodes: events of another node arrive at once with a notifier, soon with polling, and
// with neither of them when this node commits.
func TestNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one := newFixtureOn(t, url)
	two := &fixture{TB: t, store: sqltest.Open(t, url), org: one.org}
	n := newLossyNotifier(0)
	alone := one.hub(eventlog.Config{})
	notified := one.hub(eventlog.Config{Notifier: n})
	two.hub(eventlog.Config{Notifier: n})
	polling := one.hub(eventlog.Config{Poll: 20 * time.Millisecond})
	bot := one.bots(1)[0]
	a, b, c := one.subscribe(alone, one.bot(bot), nil), one.subscribe(notified, one.bot(bot), nil), one.subscribe(polling, one.bot(bot), nil)
	two.news()
	for _, s := range []*eventlog.Subscription{b, c} {
		if it := one.next(s); it.Position.Seq != 1 {
			t.Errorf("got %d", it.Position.Seq)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if it, err := a.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got an event without a notification: %v, %v", it, err)
	}
	one.news()
	for _, s := range []*eventlog.Subscription{a, b, c} {
		want := int64(2)
		if s == a {
			if it := one.next(s); it.Position.Seq != 1 {
				t.Errorf("the gap: got %d", it.Position.Seq)
			}
		}
		if it := one.next(s); it.Position.Seq != want {
			t.Errorf("got %d", it.Position.Seq)
		}
	}
	// A position that another node returned is valid here before this node read the event.
	two.news()
	p := eventlog.Position{Epoch: one.start().Epoch, Seq: 3}
	s := one.subscribe(alone, one.bot(bot), &p)
	two.news()
	one.news()
	for want := int64(4); want <= 5; want++ {
		if it := one.next(s); it.Position.Seq != want {
			t.Errorf("got %d, want %d", it.Position.Seq, want)
		}
	}
}

// restored is a store after a restore from a backup: its log is shorter or has another epoch.
type restored struct {
	eventlog.Store
	lost atomic.Int64
	next atomic.Value // another epoch
}

func (r *restored) damaged(top store.LogTop) store.LogTop {
	top.Seq -= r.lost.Load()
	if epoch, ok := r.next.Load().(string); ok {
		top.Epoch = epoch
	}
	return top
}

func (r *restored) LogTop(ctx context.Context, org string) (store.LogTop, error) {
	top, err := r.Store.LogTop(ctx, org)
	return r.damaged(top), err
}

func (r *restored) LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error) {
	tops, err := r.Store.LogTops(ctx, orgs)
	for org, top := range tops {
		tops[org] = r.damaged(top)
	}
	return tops, err
}

func TestLogReplacedUnderATail(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*restored){
		"shorter": func(r *restored) { r.lost.Store(1) },
		"another": func(r *restored) { r.next.Store("other") },
	} {
		t.Run(name, func(t *testing.T) {
			fx := newFixture(t)
			broken := &restored{Store: fx.store}
			h := fx.hub(eventlog.Config{Store: broken, Poll: 5 * time.Millisecond})
			bot := fx.bots(1)[0]
			fx.news()
			s := fx.subscribe(h, fx.bot(bot), nil)
			damage(broken)
			_, err := s.Next(t.Context())
			wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)
			if _, err := h.Subscribe(t.Context(), fx.bot(bot), nil, eventlog.Filter{}); err != nil {
				t.Errorf("after that: %v", err)
			}
		})
	}
}

// flaky fails every other read of memberships.
type flaky struct {
	eventlog.Store
	calls atomic.Int64
}

var errFlaky = errors.New("no connection")

func (f *flaky) MembershipsOf(ctx context.Context, kind store.MembershipKind, id string) ([]store.Membership, error) {
	if f.calls.Add(1)%2 == 1 {
		return nil, errFlaky
	}
	return f.Store.MembershipsOf(ctx, kind, id)
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Store: &flaky{Store: fx.store}})
	b := fx.bots(2)
	s := fx.subscribe(h, fx.bot(b[0]), nil)
	thread := fx.thread(b...)
	fx.post(thread, b[1], "x")
	wantSeqs(t, "got", fx.seqs(s), 1, 2, 3, 4)
}

func TestCloseEndsAll(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := eventlog.New(eventlog.Config{Store: fx.store, Notifier: newLossyNotifier(0), Poll: time.Millisecond})
	b := fx.bots(4)
	var waiting sync.WaitGroup
	for _, id := range b {
		s := fx.subscribe(h, fx.bot(id), nil)
		waiting.Go(func() {
			if _, err := s.Next(context.Background()); !errors.Is(err, eventlog.ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	h.Close()
	waiting.Wait()
	fx.news()
	if _, err := h.Subscribe(t.Context(), fx.bot(b[0]), nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCloseOfOne(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	s, other := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
	s.Close()
	s.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("got %v", err)
	}
	s.After(1)
	fx.news()
	fx.next(other)
	other.Close()
	again := fx.subscribe(h, fx.bot(b[0]), nil) // starts another tail
	fx.news()
	fx.next(again)
}

// gated calls between once, after memberships were read and before they are returned.
type gated struct {
	eventlog.Store
	between func()
	once    sync.Once
}

func (g *gated) Memberships(ctx context.Context, bot string) ([]store.Membership, error) {
	rows, err := g.Store.Memberships(ctx, bot)
	g.once.Do(g.between)
	return rows, err
}

// TestJoinsWhileConnecting: memberships that were read before an event changed them are read
// again when a subscription joins the tail.
func TestJoinsWhileConnecting(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	b := fx.bots(2)
	thread := fx.thread(b[0])
	var human *eventlog.Subscription
	g := &gated{Store: fx.store, between: func() {
		fx.join(thread, b[1], b[0])
		waitForTail(fx, human)
	}}
	h := fx.hub(eventlog.Config{Store: g})
	human = fx.subscribe(h, fx.human(), nil)
	s := fx.subscribe(h, fx.bot(b[1]), nil)
	fx.post(thread, b[0], "x") // 4
	wantSeqs(t, "got", fx.seqs(s), 3, 4)
}

// TestSoon: items of Soon come before a replay and before the queue.
func TestSoon(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	bots := fx.bots(1)
	fx.manyNews(3)
	for _, from := range []*eventlog.Position{fx.start(), nil} {
		s := fx.subscribe(h, fx.bot(bots[0]), from)
		if from == nil {
			fx.manyNews(3)
		} else {
			fx.next(s)
		}
		s.After("behind")
		s.Soon("one")
		s.Soon("two")
		var locals []any
		for logged := 0; len(locals) < 3; {
			it := fx.next(s)
			if it.Local == nil {
				logged++
				continue
			}
			if locals = append(locals, it.Local); it.Local != "behind" && logged > 0 {
				t.Errorf("%v comes behind %d events", it.Local, logged)
			}
		}
		if !slices.Equal(locals, []any{"one", "two", "behind"}) {
			t.Errorf("got %v", locals)
		}
		s.Close()
	}
}

// TestStreams: a bot, and the humans of an org together, have at most Streams subscriptions.
// Closing one admits another.
func TestStreams(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Streams: 3})
	bots := fx.bots(2)
	refused := func(v eventlog.Viewer) {
		t.Helper()
		_, err := h.Subscribe(t.Context(), v, nil, eventlog.Filter{})
		wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
		var e *call.Error
		if errors.As(err, &e) && (e.RetryAfter <= 0 || e.Hint == "") {
			t.Errorf("%v has no hint or no time to retry", e)
		}
	}
	for _, v := range []eventlog.Viewer{fx.bot(bots[0]), fx.bot(bots[1]), fx.human()} {
		var open []*eventlog.Subscription
		for range 3 {
			open = append(open, fx.subscribe(h, v, nil))
		}
		refused(v)
		beyond := eventlog.Position{Epoch: fx.start().Epoch, Seq: fx.top() + 100}
		open[1].Close()
		open[1].Close() // counts once
		for range 5 {   // a subscription that is refused for another reason is not counted
			_, err := h.Subscribe(t.Context(), v, &beyond, eventlog.Filter{})
			wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD)
		}
		fx.subscribe(h, v, nil)
		refused(v)
	}
}

// B2B-LIM-020: one org has at most half of the subscriptions of a node. Webhooks are not
// counted.
func TestStreamsAreSharedByOrgs(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Places: 8})
	fx.update("", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: "other", Name: "p", Status: store.OrgActive})
	})
	bots := fx.bots(6)
	var open []*eventlog.Subscription
	for _, id := range bots[:4] {
		open = append(open, fx.subscribe(h, fx.bot(id), nil))
	}
	_, err := h.Subscribe(t.Context(), fx.bot(bots[4]), nil, eventlog.Filter{})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
	fx.subscribe(h, eventlog.Viewer{OrgID: fx.org, BotID: bots[5], Webhook: true}, nil)
	other := eventlog.Viewer{OrgID: "other"}
	fx.subscribe(h, other, nil)
	open[0].Close()
	open[0].Close() // counts once
	fx.subscribe(h, fx.bot(bots[4]), nil)
	_, err = h.Subscribe(t.Context(), fx.bot(bots[0]), nil, eventlog.Filter{})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
}
