package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestRandomPresence lets bots come and go at random, with renames in between, while readers of all
// kinds read at random speeds and subscribe at random times. For each reader (B2B-PRES-009 to 011):
//   - The presence events of a bot alternate. Only the first one may repeat the state when the reader
//     subscribed.
//   - The last one has the state at the end.
//   - Presence events and renames come in the order of the log.
//   - A bot receives none about itself.
func TestRandomPresence(t *testing.T) {
	t.Parallel()
	seeds := uint64(8)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { randomPresence(t, seed) })
		})
	}
}

// presenceReader is a reader of TestRandomPresence.
type presenceReader struct {
	sub      *eventlog.Subscription
	own      string
	together bool
	pace     time.Duration
	known    map[string]bool // state of each bot as the reader knows it
	told     map[string]bool // bots of which it received an event
	renames  int
	frames   int
	wrong    []string
}

func randomPresence(t *testing.T, seed uint64) {
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	rng := rand.New(rand.NewPCG(seed, 0))
	bots := fx.bots(10)
	online, renames := map[string]bool{}, 0
	var readers []*presenceReader
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for step := range 400 {
		if step%40 == 0 {
			r := &presenceReader{own: bots[rng.IntN(len(bots))], together: rng.IntN(2) == 0, known: map[string]bool{}, told: map[string]bool{}, renames: renames}
			for bot, is := range online {
				r.known[bot] = is
			}
			r.pace = []time.Duration{0, 5, 50, 500, 3000}[rng.IntN(5)] * time.Millisecond
			r.sub = fx.subscribe(h, fx.bot(r.own), nil)
			readers = append(readers, r)
			all.Go(func() { r.read(ctx) })
		}
		switch n := rng.IntN(20); {
		case n == 0:
			renames++
			fx.news()
		case n < 4:
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond) // Sleeps: in a bubble.
		default:
			bot, changes := bots[rng.IntN(len(bots))], make([]bool, 1+rng.IntN(3))
			for i := range changes {
				online[bot] = !online[bot]
				changes[i] = online[bot]
			}
			fx.announceAs(bot, fmt.Sprint("after-", renames), changes...)
		}
	}
	time.Sleep(20 * time.Second) // Sleeps: in a bubble; the slowest reader has taken all.
	cancel()
	all.Wait()
	for i, r := range readers {
		for _, bot := range bots {
			if bot != r.own && r.known[bot] != online[bot] {
				r.wrong = append(r.wrong, fmt.Sprintf("%s is online: %v, the last event says %v", bot, online[bot], r.known[bot]))
			}
		}
		if len(r.wrong) > 0 {
			t.Errorf("reader %d %s (together %v, pace %v, %d frames): %s", i, r.own, r.together, r.pace, r.frames, strings.Join(r.wrong, "; "))
		}
	}
	if !slices.ContainsFunc(readers, func(r *presenceReader) bool { return r.frames > 20 }) {
		t.Error("no reader received presence events")
	}
}

// announceAs is announce with a name for the bot.
func (fx *fixture) announceAs(bot, name string, states ...bool) {
	fx.Helper()
	fx.change(func(tx store.Tx) error {
		for _, online := range states {
			e := presence(bot, online)
			briefOf(e).Name = name
			if err := fx.appendEvent(tx, store.Event{Audience: store.AudiencePresence, BotID: &bot}, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func briefOf(e *b2bv1.Event) *b2bv1.BotBrief {
	if on := e.GetBotOnline(); on != nil {
		return on.Bot
	}
	return e.GetBotOffline().Bot
}

// read reads until ctx ends.
func (r *presenceReader) read(ctx context.Context) {
	for {
		it, err := r.next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.wrong = append(r.wrong, err.Error())
			}
			return
		}
		if it.Presence != nil {
			var one [][]byte
			it.Presence.Each(func(e *eventlog.Item) {
				r.take(e)
				one = append(one, e.Wire)
			})
			joined := it.Presence.Join(func(e *eventlog.Item) []byte { return e.Wire })
			if want := string(slices.Concat(one...)); string(slices.Concat(joined...)) != want {
				r.wrong = append(r.wrong, fmt.Sprintf("joined %q, want %q", joined, want))
			}
		} else {
			r.take(it)
		}
		time.Sleep(r.pace) // Sleeps: in a bubble.
	}
}

func (r *presenceReader) next(ctx context.Context) (*eventlog.Item, error) {
	if !r.together {
		return r.sub.Next(ctx)
	}
	for {
		ready := make(chan struct{})
		it, err := r.sub.Poll(ctx, func() { close(ready) })
		if it != nil || err != nil {
			return it, err
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *presenceReader) take(it *eventlog.Item) {
	if !it.Ephemeral {
		r.renames++
		return
	}
	r.frames++
	brief, online := briefOf(it.Event), it.Type() == eventtype.BotOnline
	var committedAfter int
	if _, err := fmt.Sscanf(brief.Name, "after-%d", &committedAfter); err != nil {
		r.wrong = append(r.wrong, err.Error())
	}
	switch {
	case brief.Id == r.own:
		r.wrong = append(r.wrong, "its own presence")
	case r.known[brief.Id] == online && r.told[brief.Id]:
		r.wrong = append(r.wrong, fmt.Sprintf("%s is online again: %v", brief.Id, online))
	case committedAfter != r.renames:
		r.wrong = append(r.wrong, fmt.Sprintf("%s after %d renames, was committed after %d", brief.Id, r.renames, committedAfter))
	}
	r.known[brief.Id], r.told[brief.Id] = online, true
}
