package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (fx *fixture) artifact(thread, by, key string, version int32) {
	fx.Helper()
	to := toThread(thread)
	to.ActorID = &by
	fx.emit(to, &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{
		ThreadId: thread, Artifact: &b2bv1.Artifact{ArtifactKey: key, Version: version},
	}}})
}

func (fx *fixture) status(thread string) {
	fx.Helper()
	fx.emit(toThread(thread), &b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
		ThreadId: thread, Topic: "then", From: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, To: b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, By: "org:o",
	}}})
}

func text(rows []eventlog.CatchUpRow) (out []string) {
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s %s%s x%d at %d %s%s%d", r.Type, r.ThreadID, r.ChannelID, r.Count, r.OccurredAt, r.By, r.Key, r.Version))
	}
	return out
}

// catchUp reads all pages, and calls between after each but the last.
func (fx *fixture) catchUp(v eventlog.Viewer, since int64, cursor string, limit int, between func()) (rows []eventlog.CatchUpRow, last string) {
	fx.Helper()
	for {
		page, err := eventlog.CatchUp(context.Background(), fx.store, v, since, cursor, limit)
		if err != nil {
			fx.Fatal(err)
		}
		if len(page.Rows) > limit || page.More && len(page.Rows) < limit {
			fx.Fatalf("a page of %d rows, more: %v", len(page.Rows), page.More)
		}
		rows = append(rows, page.Rows...)
		cursor = page.Cursor
		if !page.More {
			return rows, cursor
		}
		if between != nil {
			between()
		}
	}
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		b := fx.bots(3)
		me := fx.bot(b[0])
		own := fx.thread(b[0], b[1])
		channel := fx.channel(b[0], b[1])
		invited := fx.thread(b[1], b[0])
		fx.post(own, b[0], "mine")
		fx.post(own, b[1], "1")
		fx.post(own, b[1], "2")
		fx.postInChannel(channel, b[1], "1")
		fx.postInChannel(channel, b[0], "mine")
		fx.artifact(own, b[1], "k", 1)
		fx.artifact(own, b[1], "k", 2)
		fx.artifact(own, b[0], "mine", 1)
		fx.status(own)
		fx.leave(invited, b[0], b[1])
		fx.post(invited, b[1], "not for me")
		fx.post(own, b[1], "3")
		fx.news()
		rows, last := fx.catchUp(me, 0, "", 100, nil)
		at := func(seq int64) int64 { return fx.history()[seq-1].At }
		want := []string{
			fmt.Sprintf("thread_invited %s x1 at %d %s0", invited, at(7), b[1]),
			fmt.Sprintf("channel_message_summary %s x1 at %d 0", channel, at(11)),
			fmt.Sprintf("thread_artifact_added %s x2 at %d k2", own, at(14)),
			fmt.Sprintf("thread_status_changed %s x1 at %d org:o0", own, at(16)),
			fmt.Sprintf("thread_participant_removed %s x1 at %d %s0", invited, at(17), b[1]),
			fmt.Sprintf("thread_message_summary %s x3 at %d 0", own, at(19)),
		}
		if fmt.Sprint(text(rows)) != fmt.Sprint(want) {
			t.Errorf("got\n%v\nwant\n%v", text(rows), want)
		}
		if rows[0].Topic != "topic "+invited || rows[3].Topic != "then" || rows[3].To != b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED {
			t.Errorf("got %+v and %+v", rows[0], rows[3])
		}
		counts, err := eventlog.Count(t.Context(), fx.store, me, 0)
		if want := (eventlog.Counts{ThreadInvites: 1, ThreadStatusChanges: 1, ThreadActivities: 3, ChannelMessages: 1, Total: 6}); err != nil || counts != want {
			t.Errorf("counts: got %+v, %v", counts, err)
		}
		if rows, _ := fx.catchUp(me, at(19), "", 10, nil); len(rows) != 0 {
			t.Errorf("since the last message: %v", text(rows))
		}
		if rows, _ := fx.catchUp(me, at(18), "", 10, nil); len(rows) != 1 || rows[0].Count != 1 {
			t.Errorf("since before the last message: %v", text(rows))
		}
		fx.post(own, b[1], "4")
		if rows, _ := fx.catchUp(me, 0, last, 10, nil); len(rows) != 1 || rows[0].Count != 1 {
			t.Errorf("since the cursor: %v", text(rows))
		}
		_, err = eventlog.CatchUp(t.Context(), fx.store, fx.human(), 0, "", 10)
		wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
		for _, bad := range []string{"x", last + "~", last + "~1.2", last + "~1.2.x", last + "~1.0.1", last + "~1.zz.-1"} {
			_, err = eventlog.CatchUp(t.Context(), fx.store, me, 0, bad, 10)
			if err == nil {
				t.Errorf("%q was accepted", bad)
			}
		}
	})
}

// TestCatchUpPages: the pages together are the whole, also when events are appended between them,
// and a subscription from the cursor of a page misses nothing.
func TestCatchUpPages(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	rng := rand.New(rand.NewPCG(3, 3))
	b := fx.bots(6)
	var threads []string
	for i := range 5 {
		threads = append(threads, fx.thread(b[i], b[(i+1)%6]))
	}
	act := func() {
		thread, bot := threads[rng.IntN(5)], b[rng.IntN(6)]
		switch rng.IntN(6) {
		case 0:
			fx.join(thread, bot, b[0])
		case 1:
			fx.leave(thread, bot, bot)
		case 2:
			fx.artifact(thread, bot, "k", 1)
		case 3:
			fx.status(thread)
		default:
			fx.post(thread, bot, "x")
		}
	}
	for range 400 {
		act()
	}
	for _, since := range []int64{0, fx.history()[200].At} {
		whole, end := fx.catchUp(fx.bot(b[0]), since, "", 1_000_000, nil)
		if len(whole) < 10 {
			t.Fatalf("only %d rows", len(whole))
		}
		for _, limit := range []int{1, 7, len(whole)} {
			start := fx.top()
			rows, last := fx.catchUp(fx.bot(b[0]), since, "", limit, func() {
				if fx.top() < start+40 {
					act()
				}
			})
			// The window of the next catch-up has the events appended since.
			if limit == 1 && (fmt.Sprint(text(rows)) != fmt.Sprint(text(whole)) || last != end) {
				t.Errorf("by pages of 1 from %d: got %d rows up to %s, want %d up to %s", since, len(rows), last, len(whole), end)
			}
			again, _ := fx.catchUp(fx.bot(b[0]), since, "", 1_000_000, nil)
			if limit > 1 && limit < len(whole) && len(again) < len(rows) {
				t.Errorf("pages of %d gave %d rows, the whole has %d", limit, len(rows), len(again))
			}
			whole, end = fx.catchUp(fx.bot(b[0]), since, "", 1_000_000, nil)
		}
	}

	page, err := eventlog.CatchUp(t.Context(), fx.store, fx.bot(b[0]), 0, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := fx.catchUp(fx.bot(b[0]), 0, page.Cursor, 1_000_000, nil)
	at, err := eventlog.ParsePosition(page.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	delivered := map[int64]bool{}
	for _, seq := range fx.seqs(fx.subscribe(h, fx.bot(b[0]), &at)) {
		delivered[fx.history()[seq-1].At] = true
	}
	for _, r := range rest {
		if !delivered[r.OccurredAt] {
			t.Errorf("the subscription misses %v", text([]eventlog.CatchUpRow{r}))
		}
	}
}

func TestCatchUpAfterPruning(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	b := fx.bots(2)
	thread := fx.thread(b...)
	var cursor string
	for i := range 10 {
		fx.post(thread, b[1], "x")
		if i == 2 {
			_, cursor = fx.catchUp(fx.bot(b[0]), 0, "", 10, nil)
		}
	}
	fx.update(fx.org, func(tx store.Tx) error { _, err := tx.PruneLog(t.Context(), 1<<50, 8); return err })
	if rows, _ := fx.catchUp(fx.bot(b[0]), 0, "", 10, nil); len(rows) != 1 || rows[0].Count != 5 {
		t.Errorf("after pruning: %v", text(rows))
	}
	_, err := eventlog.CatchUp(t.Context(), fx.store, fx.bot(b[0]), 0, cursor, 10)
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
}
