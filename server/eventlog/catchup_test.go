package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

func (w *world) artifact(thread, by, key string, version int32) {
	w.Helper()
	to := toThread(thread)
	to.ActorID = &by
	w.emit(to, &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{
		ThreadId: thread, Artifact: &b2bv1.Artifact{ArtifactKey: key, Version: version},
	}}})
}

func (w *world) status(thread string) {
	w.Helper()
	w.emit(toThread(thread), &b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
		ThreadId: thread, Topic: "then", From: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, To: b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, By: "org:o",
	}}})
}

func text(rows []eventlog.CatchUpRow) (out []string) {
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s %s%s x%d at %d %s%s%d", r.Type, r.ThreadID, r.ChannelID, r.Count, r.OccurredAt, r.By, r.Key, r.Version))
	}
	return out
}

// caught reads all pages; between them something else is done.
func (w *world) catchUp(v eventlog.Viewer, since int64, cursor string, limit int, between func()) (rows []eventlog.CatchUpRow, last string) {
	w.Helper()
	for {
		page, err := eventlog.CatchUp(context.Background(), w.store, v, since, cursor, limit)
		if err != nil {
			w.Fatal(err)
		}
		if len(page.Rows) > limit || page.More && len(page.Rows) < limit {
			w.Fatalf("a page of %d rows, more: %v", len(page.Rows), page.More)
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
	backends(t, func(t *testing.T, w *world) {
		b := w.bots(3)
		me := w.bot(b[0])
		own := w.thread(b[0], b[1])
		channel := w.channel(b[0], b[1])
		invited := w.thread(b[1], b[0])
		w.post(own, b[0], "mine")
		w.post(own, b[1], "1")
		w.post(own, b[1], "2")
		w.tell(channel, b[1], "1")
		w.tell(channel, b[0], "mine")
		w.artifact(own, b[1], "k", 1)
		w.artifact(own, b[1], "k", 2)
		w.artifact(own, b[0], "mine", 1)
		w.status(own)
		w.leave(invited, b[0], b[1])
		w.post(invited, b[1], "not for me")
		w.post(own, b[1], "3")
		w.news()
		rows, last := w.catchUp(me, 0, "", 100, nil)
		at := func(seq int64) int64 { return w.history()[seq-1].At }
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
		counts, err := eventlog.Count(t.Context(), w.store, me, 0)
		if want := (eventlog.Counts{ThreadInvites: 1, ThreadStatusChanges: 1, ThreadActivities: 3, ChannelMessages: 1, Total: 6}); err != nil || counts != want {
			t.Errorf("counts: got %+v, %v", counts, err)
		}
		if rows, _ := w.catchUp(me, at(19), "", 10, nil); len(rows) != 0 {
			t.Errorf("since the last message: %v", text(rows))
		}
		if rows, _ := w.catchUp(me, at(18), "", 10, nil); len(rows) != 1 || rows[0].Count != 1 {
			t.Errorf("since before the last message: %v", text(rows))
		}
		w.post(own, b[1], "4")
		if rows, _ := w.catchUp(me, 0, last, 10, nil); len(rows) != 1 || rows[0].Count != 1 {
			t.Errorf("since the cursor: %v", text(rows))
		}
		_, err = eventlog.CatchUp(t.Context(), w.store, w.human(), 0, "", 10)
		wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
		for _, bad := range []string{"x", last + "~", last + "~1.2", last + "~1.2.x", last + "~1.0.1", last + "~1.zz.-1"} {
			_, err = eventlog.CatchUp(t.Context(), w.store, me, 0, bad, 10)
			if err == nil {
				t.Errorf("%q is taken", bad)
			}
		}
	})
}

// TestCatchUpPages shows that pages together are the whole, whatever is written
// between them, and that a subscription from any page's cursor misses nothing.
func TestCatchUpPages(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	rng := rand.New(rand.NewPCG(3, 3))
	b := w.bots(6)
	var threads []string
	for i := range 5 {
		threads = append(threads, w.thread(b[i], b[(i+1)%6]))
	}
	act := func() {
		thread, bot := threads[rng.IntN(5)], b[rng.IntN(6)]
		switch rng.IntN(6) {
		case 0:
			w.join(thread, bot, b[0])
		case 1:
			w.leave(thread, bot, bot)
		case 2:
			w.artifact(thread, bot, "k", 1)
		case 3:
			w.status(thread)
		default:
			w.post(thread, bot, "x")
		}
	}
	for range 400 {
		act()
	}
	for _, since := range []int64{0, w.history()[200].At} {
		whole, end := w.catchUp(w.bot(b[0]), since, "", 1_000_000, nil)
		if len(whole) < 10 {
			t.Fatalf("only %d rows", len(whole))
		}
		for _, limit := range []int{1, 7, len(whole)} {
			start := w.top()
			rows, last := w.catchUp(w.bot(b[0]), since, "", limit, func() {
				if w.top() < start+40 {
					act()
				}
			})
			// What was written since the whole was read is in the window of the next.
			if limit == 1 && (fmt.Sprint(text(rows)) != fmt.Sprint(text(whole)) || last != end) {
				t.Errorf("by pages of 1 from %d: got %d rows up to %s, want %d up to %s", since, len(rows), last, len(whole), end)
			}
			again, _ := w.catchUp(w.bot(b[0]), since, "", 1_000_000, nil)
			if limit > 1 && limit < len(whole) && len(again) < len(rows) {
				t.Errorf("pages of %d gave %d rows, the whole has %d", limit, len(rows), len(again))
			}
			whole, end = w.catchUp(w.bot(b[0]), since, "", 1_000_000, nil)
		}
	}

	page, err := eventlog.CatchUp(t.Context(), w.store, w.bot(b[0]), 0, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := w.catchUp(w.bot(b[0]), 0, page.Cursor, 1_000_000, nil)
	at, err := eventlog.ParsePosition(page.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	told := map[int64]bool{}
	for _, seq := range w.seqs(w.subscribe(h, w.bot(b[0]), &at)) {
		told[w.history()[seq-1].At] = true
	}
	for _, r := range rest {
		if !told[r.OccurredAt] {
			t.Errorf("the subscription misses %v", text([]eventlog.CatchUpRow{r}))
		}
	}
}

func TestCatchUpAfterPruning(t *testing.T) {
	w := newWorld(t)
	b := w.bots(2)
	thread := w.thread(b...)
	var cursor string
	for i := range 10 {
		w.post(thread, b[1], "x")
		if i == 2 {
			_, cursor = w.catchUp(w.bot(b[0]), 0, "", 10, nil)
		}
	}
	w.update(w.org, func(tx store.Tx) error { _, err := tx.PruneLog(t.Context(), 1<<50, 8); return err })
	if rows, _ := w.catchUp(w.bot(b[0]), 0, "", 10, nil); len(rows) != 1 || rows[0].Count != 5 {
		t.Errorf("what is left: %v", text(rows))
	}
	_, err := eventlog.CatchUp(t.Context(), w.store, w.bot(b[0]), 0, cursor, 10)
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED)
}
