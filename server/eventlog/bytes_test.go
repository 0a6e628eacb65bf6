package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
)

// long is as much as a message can have.
var long = strings.Repeat("x", 900_000)

// Pages of a log are read in parts when their events are long: whoever replays, and from
// wherever, gets every event once.
func TestReplayOfLongEvents(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, w *world) {
		bots := w.bots(1)
		thread := w.thread(bots...)
		h := w.hub(eventlog.Config{})
		epoch, from := w.start().Epoch, w.top()
		for range 14 {
			w.post(thread, bots[0], long)
		}
		top := w.top()
		// Two readers, far apart in one page, read it turn by turn.
		at := func(seq int64) *eventlog.Subscription {
			return w.subscribe(h, w.bot(bots[0]), &eventlog.Position{Epoch: epoch, Seq: seq})
		}
		ahead, behind := at(from+8), at(from)
		for seq := from + 9; seq <= top; seq++ {
			if it := w.next(ahead); it.Position.Seq != seq {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq)
			}
			if it := w.next(behind); it.Position.Seq != seq-8 {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq-8)
			}
		}
		for seq := from + 7; seq <= top; seq++ {
			if it := w.next(behind); it.Position.Seq != seq {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq)
			}
		}
	})
}

// What waits for a reader that takes nothing is bounded in bytes: few long events are too
// many, as many short ones are not.
func TestQueueBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bots := w.bots(1)
	thread := w.thread(bots...)
	h := w.hub(eventlog.Config{Grace: time.Hour})
	slow, quick := w.subscribe(h, w.bot(bots[0]), nil), w.subscribe(h, w.bot(bots[0]), nil)
	for range 60 {
		w.post(thread, bots[0], "short")
	}
	short := w.seqs(quick)
	if len(short) != 60 {
		t.Fatalf("%d short events", len(short))
	}
	for range 40 { // 36 MB of payloads, and as much of frames
		w.post(thread, bots[0], long)
		if it := w.next(quick); it.Event == nil {
			t.Fatal("the quick reader lost an event")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	got := 0
	for ; err == nil && got < 200; got++ {
		_, err = slow.Next(ctx)
	}
	var behind *eventlog.SlowError
	if !errors.As(err, &behind) {
		t.Fatalf("a reader that takes nothing of 36 MB: %v after %d events", err, got)
	}
	again := w.subscribe(h, w.bot(bots[0]), &behind.Resume)
	if n := len(w.seqs(again)); n != 101 { // one is the news behind the short ones
		t.Errorf("resuming gives %d events, want 101", n)
	}
}

// A catch-up holds no long payloads while it reads on, and tells what they hold.
func TestCatchUpOfLongArtifacts(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, w *world) {
		bots := w.bots(2)
		for i := range 8 {
			thread := w.thread(bots...)
			w.emit(toThread(thread), &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{
				ThreadId: thread, Artifact: &b2bv1.Artifact{ArtifactKey: fmt.Sprint("key", i), Version: int32(i + 1), Content: &long},
			}}})
		}
		page, err := eventlog.CatchUp(t.Context(), w.store, w.bot(bots[0]), 0, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, row := range page.Rows {
			if row.Type == eventlog.CatchUpArtifacts {
				if n++; row.Key != fmt.Sprint("key", n-1) || row.Version != int64(n) {
					t.Errorf("row %d is of %s, version %d", n, row.Key, row.Version)
				}
			}
		}
		if n != 8 {
			t.Errorf("%d artifacts, want 8", n)
		}
	})
}
