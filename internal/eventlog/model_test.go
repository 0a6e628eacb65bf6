package eventlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestRandomReaders lets bots and humans connect, disconnect and resume at random while others
// write. Each must get exactly the events that a simpler model lets it see, in order. The model
// keeps sets of members and no intervals.
func TestRandomReaders(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		fx := newFixture(t)
		play(t, []*fixture{fx}, []*eventlog.Hub{fx.hub(eventlog.Config{})})
	})
	t.Run("sqlite with small queues", func(t *testing.T) {
		fx := newFixture(t)
		play(t, []*fixture{fx}, []*eventlog.Hub{fx.hub(eventlog.Config{Queue: 3, Grace: time.Microsecond})})
	})
	t.Run("three nodes, notifications lost", func(t *testing.T) {
		url := pgtest.URL(t)
		fixtures := []*fixture{newFixtureOn(t, url)}
		for range 2 {
			fixtures = append(fixtures, &fixture{TB: t, store: sqltest.Open(t, url), org: fixtures[0].org})
		}
		n := newLossyNotifier(0.5)
		var hubs []*eventlog.Hub
		for _, fx := range fixtures {
			hubs = append(hubs, fx.hub(eventlog.Config{Notifier: n, Poll: 20 * time.Millisecond}))
		}
		play(t, fixtures, hubs)
	})
}

// initial has the first members of threads and channels, by id.
type initial struct {
	mu sync.Mutex
	of map[string][]string
}

func play(t *testing.T, fixtures []*fixture, hubs []*eventlog.Hub) {
	fx := fixtures[0]
	bots := fx.bots(8)
	begun := &initial{of: map[string][]string{}}
	var threads, channels []string
	for i := range 4 {
		some := bots[i : i+3]
		id := fx.thread(some...)
		begun.of[id] = some
		threads = append(threads, id)
	}
	for i := range 3 {
		id := fx.channel(bots[i], bots[i+4])
		begun.of[id] = []string{bots[i], bots[i+4]}
		channels = append(channels, id)
	}
	from := fx.start()

	steps := 400
	if testing.Short() {
		steps = 80
	}
	var writers, readers sync.WaitGroup
	var end atomic.Int64
	type reader struct {
		viewer  eventlog.Viewer
		watched []string
		got     []int64
	}
	all := make([]*reader, 0, len(bots)+2)
	for _, b := range bots {
		all = append(all, &reader{viewer: fx.bot(b)})
	}
	all = append(all, &reader{viewer: fx.bot(bots[0])}, &reader{viewer: fx.human()}, &reader{viewer: fx.human(), watched: []string{threads[0], threads[2]}})
	for i, r := range all {
		readers.Go(func() {
			r.got = fx.readAtRandom(hubs, r.viewer, r.watched, from, &end, uint64(i))
		})
	}
	for i := range 3 {
		fx := fixtures[i%len(fixtures)]
		writers.Go(func() { fx.writeAtRandom(steps, bots, threads, channels, begun, fmt.Sprintf("%d-", i), uint64(100+i)) })
	}
	writers.Wait()
	fx.news()
	end.Store(fx.top())
	readers.Wait()

	rows := fx.history()
	for _, r := range all {
		want := model(t, rows, begun.of, r.viewer, r.watched)
		if !slices.Equal(r.got, want) {
			t.Errorf("%v got %d events, want %d; first difference at %s", r.viewer, len(r.got), len(want), difference(r.got, want))
		}
	}
}

func difference(a, b []int64) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%d: %d and %d", i, a[i], b[i])
		}
	}
	return fmt.Sprint(min(len(a), len(b)))
}

func (fx *fixture) writeAtRandom(steps int, bots, threads, channels []string, begun *initial, name string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(of []string) string { return of[rng.IntN(len(of))] }
	for i := range steps {
		switch n := rng.IntN(20); {
		case n < 9:
			fx.post(pick(threads), pick(bots), fmt.Sprint(name, i))
		case n < 12:
			fx.postInChannel(pick(channels), pick(bots), fmt.Sprint(name, i))
		case n < 15:
			fx.join(pick(threads), pick(bots), "org:org")
		case n < 18:
			fx.leave(pick(threads), pick(bots), "org:org")
		case n < 19:
			fx.news()
		default:
			some := bots[rng.IntN(4) : 4+rng.IntN(4)]
			id := name + fmt.Sprint(i)
			fx.createThread(id, some)
			begun.mu.Lock()
			begun.of[id] = some
			begun.mu.Unlock()
		}
	}
}

func (fx *fixture) createThread(id string, bots []string) {
	fx.change(func(tx store.Tx) error {
		in := make([]store.Participant, len(bots))
		for i, b := range bots {
			in[i] = store.Participant{ThreadID: id, BotID: b}
		}
		err := tx.CreateThread(context.Background(), &store.Thread{
			ID: id, OrgID: fx.org, Topic: id, Status: "active", Visibility: "public", JoinPolicy: "open", Revision: 1,
		}, in)
		if err != nil {
			return err
		}
		return fx.appendEvent(tx, toThread(id), threadCreated(id))
	})
}

// readAtRandom reads until the seq in end, which is 0 until it is known. It fails when no event
// comes for a minute, however long all of them take. A subscription that got nothing is followed by
// one with twice the patience, up to a second: on a busy machine nothing comes in 20 ms, and readers
// that only reconnect keep it busy.
func (fx *fixture) readAtRandom(hubs []*eventlog.Hub, v eventlog.Viewer, watched []string, from *eventlog.Position, end *atomic.Int64, seed uint64) (got []int64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	at := *from
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	silence := time.AfterFunc(time.Minute, cancel)
	defer silence.Stop()
	const hasty, calm = time.Millisecond, 50 * time.Millisecond
	pace := hasty
	for {
		before := len(got)
		s, err := hubs[rng.IntN(len(hubs))].Subscribe(ctx, v, &at, eventlog.Filter{WatchThreads: watched})
		if err != nil {
			fx.Errorf("%v resumes at %s: %v", v, at, err)
			return got
		}
		for n := rng.IntN(60); n > 0; n-- {
			patience, giveUp := context.WithTimeout(ctx, time.Duration(rng.IntN(20)+1)*pace)
			it, err := s.Next(patience)
			giveUp()
			if err != nil {
				var slow *eventlog.SlowError
				switch {
				case errors.As(err, &slow):
					at = slow.Resume
				case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
					fx.Errorf("%v at %s: %v", v, at, err)
					s.Close()
					return got
				case rng.IntN(2) == 0:
					at = s.Position()
				}
				break
			}
			got = append(got, it.Position.Seq)
			silence.Reset(time.Minute)
			at = cursorOf(fx, it)
			if rng.IntN(30) == 0 {
				time.Sleep(time.Millisecond) // Sleeps: some readers are slow.
			}
		}
		s.Close()
		if e := end.Load(); e > 0 && at.Seq >= e {
			return got
		}
		if pace = min(2*pace, calm); len(got) > before {
			pace = hasty
		}
	}
}

// cursorOf returns the position in a frame, as a client reads it.
func cursorOf(fx *fixture, it *eventlog.Item) eventlog.Position {
	var frame struct{ Cursor string }
	if err := json.Unmarshal(it.Wire, &frame); err != nil {
		fx.Errorf("frame %s: %v", it.Wire, err)
	}
	at, err := eventlog.ParsePosition(frame.Cursor)
	if err != nil || at != it.Position {
		fx.Errorf("frame %s: cursor %v, %v, want %v", it.Wire, at, err, it.Position)
	}
	return at
}

func (fx *fixture) history() []store.Event {
	rows, err := fx.store.ReadLog(context.Background(), fx.org, 0, 1_000_000)
	if err != nil {
		fx.Fatal(err)
	}
	return rows
}

// model returns the seqs that a viewer may see, by sets of members.
func model(t *testing.T, rows []store.Event, begun map[string][]string, v eventlog.Viewer, watched []string) (want []int64) {
	members := map[string]map[string]bool{}
	for _, row := range rows {
		var e b2bv1.Event
		if err := proto.Unmarshal(row.Payload, &e); err != nil {
			t.Fatal(err)
		}
		var id string
		switch row.Audience {
		case store.AudienceThread:
			id = *row.ThreadID
		case store.AudienceChannel:
			id = *row.ChannelID
		default:
			want = append(want, row.Seq) // an event of news
			continue
		}
		created := e.GetThreadCreated() != nil || e.GetChannelCreated() != nil
		if created {
			members[id] = map[string]bool{}
			for _, b := range begun[id] {
				members[id][b] = true
			}
		}
		p := e.GetThreadParticipant()
		if p.GetAction() == joined {
			members[id][p.BotId] = true
		}
		if v.BotID == "" && (created || slices.Contains(watched, id)) || members[id][v.BotID] {
			want = append(want, row.Seq)
		}
		if p.GetAction() == left {
			delete(members[id], p.BotId)
		}
	}
	return want
}

// lossyNotifier connects hubs of one process and loses some notifications.
type lossyNotifier struct {
	lost      float64 // probability
	mu        sync.Mutex
	listeners map[int]chan notice
	next      int
}

type notice struct {
	org string
	seq int64
}

func newLossyNotifier(lost float64) *lossyNotifier {
	return &lossyNotifier{lost: lost, listeners: map[int]chan notice{}}
}

func (n *lossyNotifier) Notify(org string, seq int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, to := range n.listeners {
		if rand.Float64() < n.lost {
			continue
		}
		select {
		case to <- notice{org, seq}:
		default:
		}
	}
}

func (n *lossyNotifier) Listen(ctx context.Context, fn func(string, int64)) error {
	received := make(chan notice, 64)
	n.mu.Lock()
	n.next++
	id := n.next
	n.listeners[id] = received
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.listeners, id)
		n.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case got := <-received:
			fn(got.org, got.seq)
		}
	}
}
