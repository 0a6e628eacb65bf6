package eventlog_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/eventlog"
)

// polled reads a subscription with a goroutine that is there only while there is
// something to read.
type polled struct {
	t       *testing.T
	sub     *eventlog.Subscription
	active  atomic.Int32
	tasks   sync.WaitGroup
	mu      sync.Mutex
	seqs    []int64
	err     error
	waiting int // how often more was said to be there
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
				p.t.Error("more was said to be there, and was not")
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

func (p *polled) last() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seqs) == 0 {
		return 0
	}
	return p.seqs[len(p.seqs)-1]
}

// A reader that polls gets what one that waits gets: replayed, live, and the end.
func TestPoll(t *testing.T) {
	w := newWorld(t)
	bots := w.bots(1)
	thread := w.thread(bots...)
	h := w.hub(eventlog.Config{})
	from := eventlog.Position{Epoch: w.start().Epoch, Seq: w.top()}
	for i := range 20 {
		w.post(thread, bots[0], strconv.Itoa(i))
	}
	p := &polled{t: t, sub: w.subscribe(h, w.bot(bots[0]), &from)}
	p.wake()
	for i := range 200 {
		w.post(thread, bots[0], strconv.Itoa(i))
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond) // so that it has nothing to read at times
		}
	}
	top := w.top()
	for deadline := time.Now().Add(20 * time.Second); p.last() < top && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	p.sub.Close()
	p.tasks.Wait()
	want := make([]int64, 0, top-from.Seq)
	for seq := from.Seq + 1; seq <= top; seq++ {
		want = append(want, seq)
	}
	wantSeqs(t, "polled", p.seqs, want...)
	if !errors.Is(p.err, eventlog.ErrClosed) {
		t.Errorf("it ended with %v", p.err)
	}
	if p.waiting == 0 {
		t.Error("a page was never said to be there")
	}
}
