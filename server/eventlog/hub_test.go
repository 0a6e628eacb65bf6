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
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
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

func TestWhoGetsWhat(t *testing.T) {
	backends(t, func(t *testing.T, w *world) {
		h := w.hub(eventlog.Config{})
		b := w.bots(4)
		w.change(func(tx store.Tx) error { return tx.SetBotRole(context.Background(), b[3], store.AuthAdmin) })
		first := w.top()
		start := eventlog.Position{Epoch: w.start().Epoch, Seq: first}
		live := map[string]*eventlog.Subscription{}
		views := map[string]eventlog.Viewer{"a": w.bot(b[0]), "b": w.bot(b[1]), "c": w.bot(b[2]), "admin": w.bot(b[3]), "human": w.human()}
		for name, v := range views {
			live[name] = w.subscribe(h, v, nil)
		}
		thread := w.thread(b[0], b[1])                                                   // 1, 2, 3
		channel := w.channel(b[0], b[1])                                                 // 4
		w.post(thread, b[0], "one")                                                      // 5
		w.tell(channel, b[1], "two")                                                     // 6
		w.join(thread, b[2], b[0])                                                       // 7
		w.leave(thread, b[1], b[1])                                                      // 8
		w.post(thread, b[2], "three")                                                    // 9
		w.emit(store.Event{Audience: store.AudienceBot, BotID: &b[1]}, renamed("for b")) // 10
		w.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))       // 11
		w.emit(store.Event{Audience: store.AudienceInternal}, renamed("for nobody"))     // 12
		want := map[string][]int64{
			"a": {1, 2, 3, 4, 5, 6, 7, 8, 9}, "b": {1, 2, 3, 4, 5, 6, 7, 8, 10}, "c": {7, 8, 9}, "admin": {11}, "human": {1, 4, 11},
		}
		got := map[string][]int64{}
		for name, s := range live {
			got[name] = w.seqs(s)
		}
		for name, v := range views {
			replayed := w.seqs(w.subscribe(h, v, &start))
			replayed = slices.DeleteFunc(replayed, func(seq int64) bool { return seq > 12 })
			got[name] = slices.DeleteFunc(got[name], func(seq int64) bool { return seq > 12 })
			wantSeqs(t, name+" live", got[name], want[name]...)
			wantSeqs(t, name+" replayed", replayed, want[name]...)
		}
	})
}

func TestAllReadersShareTheBytes(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	thread := w.thread(b...)
	one, two := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil)
	w.post(thread, b[0], "hi")
	x, y := w.next(one), w.next(two)
	if x != y || !strings.Contains(string(x.Wire), `"content":"hi"`) || x.Event.GetThreadMessage().GetMessage().GetContent() != "hi" {
		t.Errorf("got %p %s and %p", x, x.Wire, y)
	}
	cursorOf(w, x)
}

func TestPositionsThatAreNoGood(t *testing.T) {
	backends(t, func(t *testing.T, w *world) {
		h := w.hub(eventlog.Config{})
		bot := w.bots(1)[0]
		at := func(p eventlog.Position) error {
			s, err := h.Subscribe(t.Context(), w.bot(bot), &p, eventlog.Filter{})
			if err == nil {
				s.Close()
			}
			return err
		}
		s := w.subscribe(h, w.bot(bot), nil)
		var seen []eventlog.Position
		for range 6 {
			w.news()
			seen = append(seen, w.next(s).Position)
		}
		top := seen[5]
		for _, p := range append(seen, *w.start()) {
			if err := at(p); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
		wantCode(t, at(eventlog.Position{Epoch: top.Epoch, Seq: top.Seq + 1, Check: 1}), b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD)
		wantCode(t, at(eventlog.Position{Epoch: "other", Seq: 1, Check: seen[0].Check}), b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)
		wantCode(t, at(eventlog.Position{Epoch: top.Epoch, Seq: 2, Check: seen[1].Check + 1}), b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)

		prune := func(limit int) {
			w.update(w.org, func(tx store.Tx) error {
				_, err := tx.PruneLog(t.Context(), 1<<50, limit)
				return err
			})
		}
		prune(3)
		wantCode(t, at(*w.start()), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		wantCode(t, at(seen[1]), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		for _, p := range seen[2:] { // all behind the third is kept
			if err := at(p); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
		prune(100)
		wantCode(t, at(seen[4]), b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
		for _, p := range []*eventlog.Position{&top, nil} {
			s := w.subscribe(h, w.bot(bot), p)
			w.news()
			w.next(s)
		}
		if _, err := h.Subscribe(t.Context(), eventlog.Viewer{OrgID: "nowhere", BotID: bot}, nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrAccess) {
			t.Errorf("an unknown org: %v", err)
		}
	})
}

func TestExpiresDuringReplay(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	bot := w.bots(1)[0]
	w.manyNews(1200)
	s := w.subscribe(h, w.bot(bot), w.start())
	w.next(s)
	w.update(w.org, func(tx store.Tx) error { _, err := tx.PruneLog(t.Context(), 1<<50, 1100); return err })
	for range 127 { // the page in hand
		w.next(s)
	}
	_, err := s.Next(t.Context())
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
	if _, again := s.Next(t.Context()); again != err {
		t.Errorf("the error is not final: %v", again)
	}
}

func TestSlowReader(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Queue: 8, Grace: 1})
	b := w.bots(2)
	thread := w.thread(b...)
	slow, quick := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil)
	w.post(thread, b[0], "read")
	last := w.next(slow).Position
	w.next(quick)
	for i := range 20 {
		w.post(thread, b[0], fmt.Sprint(i))
		w.next(quick)
	}
	_, err := slow.Next(t.Context())
	var e *eventlog.SlowError
	if !errors.As(err, &e) || e.Resume != last {
		t.Fatalf("got %v, want to resume from %v", err, last)
	}
	again := w.subscribe(h, w.bot(b[0]), &e.Resume)
	got := w.seqs(again)
	wantSeqs(t, "resumed", got, span(last.Seq+1, last.Seq+20)...)
}

// TestBurst shows that a reader is not slow because much happens at once.
func TestBurst(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Queue: 8, Grace: 200 * time.Millisecond})
	s := w.subscribe(h, w.bot(w.bots(1)[0]), nil)
	time.Sleep(250 * time.Millisecond) // waiting for something to take is not being slow
	w.manyNews(100)
	wantSeqs(t, "got", w.seqs(s), span(1, 100)...)
	w.manyNews(8*16 + 1)
	other := w.subscribe(h, w.human(), nil) // behind them
	w.news()
	w.next(other)
	if _, err := s.Next(t.Context()); !errors.As(err, new(*eventlog.SlowError)) {
		t.Errorf("too much at once: %v", err)
	}
}

func span(from, to int64) (seqs []int64) {
	for ; from <= to; from++ {
		seqs = append(seqs, from)
	}
	return seqs
}

// TestSlowReplay shows that a reader that is far behind loses its queue but neither
// its place nor what was put behind it.
func TestSlowReplay(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Queue: 8, Grace: 1})
	bot := w.bots(1)[0]
	w.manyNews(30)
	s := w.subscribe(h, w.bot(bot), w.start()) // joins at once, and replays 30
	w.next(s)
	s.After("local")
	other := w.subscribe(h, w.bot(bot), nil)
	for range 50 { // until the tail has handled them
		w.news()
		w.next(other)
	}
	var got []int64
	local := false
	for len(got) < 79 || !local {
		it := w.next(s)
		if it.Local != nil {
			local = true
			continue
		}
		got = append(got, it.Position.Seq)
	}
	wantSeqs(t, "replayed", got, span(2, 80)...)
}

func TestAfter(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	thread := w.thread(b...)
	s := w.subscribe(h, w.bot(b[0]), nil)
	for i := range 100 {
		w.post(thread, b[0], fmt.Sprint(i))
		s.After(i)
	}
	for i := range 100 {
		if it := w.next(s); it.Event.GetThreadMessage().GetMessage().GetContent() != fmt.Sprint(i) {
			t.Fatalf("got %s, want event %d", it.Wire, i)
		}
		if it := w.next(s); it.Local != i {
			t.Fatalf("got %v, want acknowledgement %d", it.Local, i)
		}
	}
}

func TestFilter(t *testing.T) {
	backends(t, func(t *testing.T, w *world) {
		h := w.hub(eventlog.Config{})
		b := w.bots(2)
		one, two := w.thread(b...), w.thread(b...) // 1 to 6
		channel := w.channel(b[0], b[1])           // 7
		start := w.start()
		say := func() {
			w.post(one, b[0], "x")     // 8
			w.post(two, b[0], "x")     // 9
			w.tell(channel, b[0], "x") // 10
			w.news()                   // 11
		}
		say()
		for _, v := range []eventlog.Viewer{w.bot(b[0]), w.human()} {
			s := w.subscribe(h, v, start, eventlog.Filter{Types: []string{"thread_message", "message"}, Threads: []string{one}, Channels: []string{channel}})
			for _, want := range []int64{8, 10} {
				if it := w.next(s); it.Position.Seq != want {
					t.Errorf("%v: got %d, want %d", v, it.Position.Seq, want)
				}
			}
			s.Close()
		}
		types := w.subscribe(h, w.bot(b[0]), start, eventlog.Filter{Types: []string{"bot_renamed"}})
		if it := w.next(types); it.Position.Seq != 11 {
			t.Errorf("got %d", it.Position.Seq)
		}
	})
}

// settle waits until the tail has handled what was committed.
func settle(w *world, s *eventlog.Subscription) {
	s.After(w)
	if it := w.next(s); it.Local != w {
		w.Errorf("got %s", it.Wire)
	}
}

func TestWatching(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	thread, channel := w.thread(b...), w.channel(b[0], b[1]) // to 4
	s := w.subscribe(h, w.human(), nil)
	w.post(thread, b[0], "x") // 5
	settle(w, s)
	if err := s.Watch([]string{thread}, []string{channel}); err != nil {
		t.Fatal(err)
	}
	w.post(thread, b[0], "x")               // 6
	w.tell(channel, b[0], "x")              // 7
	wantSeqs(t, "watched", w.seqs(s), 6, 7) // 8 is the news
	settle(w, s)
	s.Unwatch([]string{thread}, nil)           //
	w.post(thread, b[0], "x")                  // 9
	w.tell(channel, b[0], "x")                 // 10
	wantSeqs(t, "watched less", w.seqs(s), 10) // 11
	var ids []string
	for i := range 99 {
		ids = append(ids, fmt.Sprint(i))
	}
	if err := s.Watch(ids, nil); err != nil {
		t.Errorf("100 of them: %v", err)
	}
	wantCode(t, s.Watch(ids[:1], nil), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
	wantCode(t, w.subscribe(h, w.bot(b[0]), nil).Watch([]string{thread}, nil), b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
	_, err := h.Subscribe(t.Context(), w.human(), nil, eventlog.Filter{Threads: ids, WatchChannels: ids[:2]})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
}

// TestPosition shows that a reader that nothing concerns does not stay behind.
func TestPosition(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(3)
	thread := w.thread(b[0])
	s := w.subscribe(h, w.bot(b[2]), nil)
	for range 5 {
		w.post(thread, b[0], "x")
	}
	s.After(true)
	w.next(s)
	if p := s.Position(); p.Seq != w.top() {
		t.Errorf("at %d, the top is %d", p.Seq, w.top())
	}
	w.news()
	if p := s.Position(); p.Seq == w.top() {
		t.Error("ahead of what was read")
	}
	it := w.next(s)
	if p := s.Position(); p != it.Position {
		t.Errorf("at %v, read %v", p, it.Position)
	}
}

// TestNodes: events of another node arrive at once with a notifier, soon with polling, and
// with neither of them when this node commits.
func TestNodes(t *testing.T) {
	url := pgtest.URL(t)
	one := worldOver(t, url)
	two := &world{TB: t, store: sqltest.Open(t, url), org: one.org}
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

// restored gives the state of a log of which the end is lost.
type restored struct {
	eventlog.Store
	lost atomic.Int64
	next atomic.Value // another epoch
}

func (r *restored) harmed(top store.LogTop) store.LogTop {
	top.Seq -= r.lost.Load()
	if epoch, ok := r.next.Load().(string); ok {
		top.Epoch = epoch
	}
	return top
}

func (r *restored) LogTop(ctx context.Context, org string) (store.LogTop, error) {
	top, err := r.Store.LogTop(ctx, org)
	return r.harmed(top), err
}

func (r *restored) LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error) {
	tops, err := r.Store.LogTops(ctx, orgs)
	for org, top := range tops {
		tops[org] = r.harmed(top)
	}
	return tops, err
}

func TestLogReplacedUnderATail(t *testing.T) {
	for name, harm := range map[string]func(*restored){
		"shorter": func(r *restored) { r.lost.Store(1) },
		"another": func(r *restored) { r.next.Store("other") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			broken := &restored{Store: w.store}
			h := w.hub(eventlog.Config{Store: broken, Poll: 5 * time.Millisecond})
			bot := w.bots(1)[0]
			w.news()
			s := w.subscribe(h, w.bot(bot), nil)
			harm(broken)
			_, err := s.Next(t.Context())
			wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED)
			if _, err := h.Subscribe(t.Context(), w.bot(bot), nil, eventlog.Filter{}); err != nil {
				t.Errorf("after that: %v", err)
			}
		})
	}
}

// flaky fails every other read.
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

func TestStoreFailsMeanwhile(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Store: &flaky{Store: w.store}})
	b := w.bots(2)
	s := w.subscribe(h, w.bot(b[0]), nil)
	thread := w.thread(b...)
	w.post(thread, b[1], "x")
	wantSeqs(t, "got", w.seqs(s), 1, 2, 3, 4)
}

func TestCloseEndsAll(t *testing.T) {
	w := newWorld(t)
	h := eventlog.New(eventlog.Config{Store: w.store, Notifier: newLossyNotifier(0), Poll: time.Millisecond})
	b := w.bots(4)
	var waiting sync.WaitGroup
	for _, id := range b {
		s := w.subscribe(h, w.bot(id), nil)
		waiting.Go(func() {
			if _, err := s.Next(context.Background()); !errors.Is(err, eventlog.ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	h.Close()
	waiting.Wait()
	w.news()
	if _, err := h.Subscribe(t.Context(), w.bot(b[0]), nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCloseOfOne(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	s, other := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil)
	s.Close()
	s.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("got %v", err)
	}
	s.After(1)
	w.news()
	w.next(other)
	other.Close()
	again := w.subscribe(h, w.bot(b[0]), nil) // the org's tail starts anew
	w.news()
	w.next(again)
}

// gated does something between reading memberships and telling them, once.
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

// TestJoinsWhileConnecting shows that memberships that went stale while a
// subscription joined the tail are not believed.
func TestJoinsWhileConnecting(t *testing.T) {
	w := newWorld(t)
	b := w.bots(2)
	thread := w.thread(b[0])
	var human *eventlog.Subscription
	g := &gated{Store: w.store, between: func() {
		w.join(thread, b[1], b[0])
		settle(w, human)
	}}
	h := w.hub(eventlog.Config{Store: g})
	human = w.subscribe(h, w.human(), nil)
	s := w.subscribe(h, w.bot(b[1]), nil)
	w.post(thread, b[0], "x") // 4
	wantSeqs(t, "got", w.seqs(s), 3, 4)
}

// What is to come soon comes before a replay and before what waits live.
func TestSoon(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	bots := w.bots(1)
	w.manyNews(3)
	for _, from := range []*eventlog.Position{w.start(), nil} {
		s := w.subscribe(h, w.bot(bots[0]), from)
		if from == nil {
			w.manyNews(3)
		} else {
			w.next(s)
		}
		s.After("behind")
		s.Soon("one")
		s.Soon("two")
		var locals []any
		for logged := 0; len(locals) < 3; {
			it := w.next(s)
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

// A bot has so many subscriptions, and the humans of an org so many; others are not
// concerned, and what ends makes room.
func TestStreams(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Streams: 3})
	bots := w.bots(2)
	refused := func(v eventlog.Viewer) {
		t.Helper()
		_, err := h.Subscribe(t.Context(), v, nil, eventlog.Filter{})
		wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
		var e *call.Error
		if errors.As(err, &e) && (e.RetryAfter <= 0 || e.Hint == "") {
			t.Errorf("%v says not what to do", e)
		}
	}
	for _, v := range []eventlog.Viewer{w.bot(bots[0]), w.bot(bots[1]), w.human()} {
		var open []*eventlog.Subscription
		for range 3 {
			open = append(open, w.subscribe(h, v, nil))
		}
		refused(v)
		beyond := eventlog.Position{Epoch: w.start().Epoch, Seq: w.top() + 100}
		open[1].Close()
		open[1].Close() // counts once
		for range 5 {   // who is refused for another reason takes no place
			_, err := h.Subscribe(t.Context(), v, &beyond, eventlog.Filter{})
			wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD)
		}
		w.subscribe(h, v, nil)
		refused(v)
	}
}

// B2B-LIM-020: the subscriptions of one org are at most half of all, so that there is
// room for others. Webhooks are not counted.
func TestStreamsAreSharedByOrgs(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{Places: 8})
	w.update("", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: "other", Name: "p", Status: store.OrgActive})
	})
	bots := w.bots(6)
	var open []*eventlog.Subscription
	for _, id := range bots[:4] {
		open = append(open, w.subscribe(h, w.bot(id), nil))
	}
	_, err := h.Subscribe(t.Context(), w.bot(bots[4]), nil, eventlog.Filter{})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
	w.subscribe(h, eventlog.Viewer{OrgID: w.org, BotID: bots[5], Webhook: true}, nil)
	other := eventlog.Viewer{OrgID: "other"}
	w.subscribe(h, other, nil)
	open[0].Close()
	open[0].Close() // counts once
	w.subscribe(h, w.bot(bots[4]), nil)
	_, err = h.Subscribe(t.Context(), w.bot(bots[0]), nil, eventlog.Filter{})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
}

// A reader that goes on taking what it replays is not slow, although what is told once
// piles up behind the replay meanwhile: when hundreds come back at the same moment, each
// is told of all the others.
func TestStormOfPresence(t *testing.T) {
	w := newWorld(t)
	const grace = 400 * time.Millisecond // far more than a step takes on a busy machine
	h := w.hub(eventlog.Config{Queue: 4, Grace: grace})
	b := w.bots(2)
	w.manyNews(40)
	s := w.subscribe(h, w.bot(b[0]), w.start())
	other := w.subscribe(h, w.bot(b[0]), nil)
	const coming = 30 // more than Queue, fewer than what waits at most
	for range coming {
		if err := h.Publish(w.org, presence(b[1], true)); err != nil {
			t.Fatal(err)
		}
		w.next(other) // the tail has handled it
		w.next(s)
		time.Sleep(grace / 20) // so that all of it takes longer than grace
	}
	for logged, told := coming, 0; logged < 40 || told < coming; {
		if w.next(s).Ephemeral {
			told++
		} else {
			logged++
		}
	}
}
