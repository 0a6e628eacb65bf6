package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// long is about the largest text of a message.
var long = strings.Repeat("x", 900_000)

// TestReplayOfLongEvents: pages with long events are read in parts. Readers at any position get
// every event once.
func TestReplayOfLongEvents(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		bots := fx.bots(1)
		thread := fx.thread(bots...)
		h := fx.hub(eventlog.Config{})
		epoch, from := fx.start().Epoch, fx.top()
		for range 14 {
			fx.post(thread, bots[0], long)
		}
		top := fx.top()
		// Two readers at distant positions of one page alternate.
		at := func(seq int64) *eventlog.Subscription {
			return fx.subscribe(h, fx.bot(bots[0]), &eventlog.Position{Epoch: epoch, Seq: seq})
		}
		ahead, behind := at(from+8), at(from)
		for seq := from + 9; seq <= top; seq++ {
			if it := fx.next(ahead); it.Position.Seq != seq {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq)
			}
			if it := fx.next(behind); it.Position.Seq != seq-8 {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq-8)
			}
		}
		for seq := from + 7; seq <= top; seq++ {
			if it := fx.next(behind); it.Position.Seq != seq {
				t.Fatalf("got event %d, want %d", it.Position.Seq, seq)
			}
		}
	})
}

// TestQueueBytes: the queue of a reader that takes nothing is bounded in bytes. It overflows with
// long events, and not with as many short ones.
func TestQueueBytes(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	bots := fx.bots(1)
	thread := fx.thread(bots...)
	h := fx.hub(eventlog.Config{Grace: time.Hour})
	slow, quick := fx.subscribe(h, fx.bot(bots[0]), nil), fx.subscribe(h, fx.bot(bots[0]), nil)
	for range 60 {
		fx.post(thread, bots[0], "short")
	}
	short := fx.seqs(quick)
	if len(short) != 60 {
		t.Fatalf("%d short events", len(short))
	}
	for range 40 { // 36 MB of payloads, and as much of frames
		fx.post(thread, bots[0], long)
		if it := fx.next(quick); it.Event == nil {
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
	again := fx.subscribe(h, fx.bot(bots[0]), &behind.Resume)
	if n := len(fx.seqs(again)); n != 101 { // one is the event that seqs appended
		t.Errorf("resuming gives %d events, want 101", n)
	}
}

// TestCatchUpOfLongArtifacts: a catch-up keeps no long payloads in memory, and returns their data.
func TestCatchUpOfLongArtifacts(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		bots := fx.bots(2)
		for i := range 8 {
			thread := fx.thread(bots...)
			fx.emit(toThread(thread), &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{
				ThreadId: thread, Artifact: &b2bv1.Artifact{ArtifactKey: fmt.Sprint("key", i), Version: int32(i + 1), Content: &long},
			}}})
		}
		page, err := eventlog.CatchUp(t.Context(), fx.store, fx.bot(bots[0]), 0, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, row := range page.Rows {
			if row.Type == eventtype.CatchUpThreadArtifactAdded {
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
