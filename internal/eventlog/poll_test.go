package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// polled reads a subscription with a goroutine that runs only while there is something to read.
type polled struct {
	t       *testing.T
	sub     *eventlog.Subscription
	active  atomic.Int32
	tasks   sync.WaitGroup
	mu      sync.Mutex
	seqs    []int64
	err     error
	waiting int // how often Waiting reported an item
}

func (p *polled) wake() { p.tasks.Go(p.read) }

func (p *polled) read() {
	if p.active.Add(1) != 1 {
		p.t.Error("two goroutines read at once")
	}
	more := false
	for {
		it, err := p.sub.Poll(context.Background(), func() { p.active.Add(-1); p.wake() })
		if it == nil {
			if more && err == nil {
				p.t.Error("Waiting reported an item, but Poll returned none")
			}
			if err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
			}
			return
		}
		p.mu.Lock()
		p.seqs = append(p.seqs, it.Position.Seq)
		if more = p.sub.Waiting(); more {
			p.waiting++
		}
		p.mu.Unlock()
	}
}

// await waits until p has read the event at seq.
func (p *polled) await(seq int64) {
	p.t.Helper()
	waittest.Until(p.t, fmt.Sprint("event ", seq, " is read"), func() bool { return p.last() >= seq })
}

func (p *polled) last() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seqs) == 0 {
		return 0
	}
	return p.seqs[len(p.seqs)-1]
}

// TestPoll: a reader that polls gets the same as one that waits: replay, live events and the end.
func TestPoll(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	bots := fx.bots(1)
	thread := fx.thread(bots...)
	h := fx.hub(eventlog.Config{})
	from := eventlog.Position{Epoch: fx.start().Epoch, Seq: fx.top()}
	for i := range 20 {
		fx.post(thread, bots[0], strconv.Itoa(i))
	}
	p := &polled{t: t, sub: fx.subscribe(h, fx.bot(bots[0]), &from)}
	p.wake()
	for i := range 200 {
		fx.post(thread, bots[0], strconv.Itoa(i))
		if i%50 == 0 {
			p.await(fx.top()) // sometimes there is nothing to read
		}
	}
	top := fx.top()
	p.await(top)
	p.sub.Close()
	p.tasks.Wait()
	want := make([]int64, 0, top-from.Seq)
	for seq := from.Seq + 1; seq <= top; seq++ {
		want = append(want, seq)
	}
	wantSeqs(t, "polled", p.seqs, want...)
	if !errors.Is(p.err, eventlog.ErrClosed) {
		t.Errorf("Poll returned %v", p.err)
	}
	if p.waiting == 0 {
		t.Error("Waiting never reported an item")
	}
}
