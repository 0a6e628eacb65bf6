package eventlog_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// importRow appends a row of an old catch-up, as an import does.
func (fx *fixture) importRow(bot, id string, at int64, e *b2bv1.CatchupEvent) {
	fx.Helper()
	e.EventId, e.OccurredAt = id, timestamppb.New(time.UnixMilli(at))
	entry, err := eventlog.ImportedRow(bot, e)
	if err != nil {
		fx.Fatal(err)
	}
	fx.update(fx.org, func(tx store.Tx) error {
		_, err := tx.Append(context.Background(), entry)
		return err
	})
}

func messagesOf(thread string, count int32, at int64) *b2bv1.CatchupEvent {
	return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadMessageSummary{ThreadMessageSummary: &b2bv1.ThreadMessagesCatchup{
		ThreadId: thread, Topic: "then", Count: count, LastAt: timestamppb.New(time.UnixMilli(at)),
	}}}
}

func TestImportedRows(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		b := fx.bots(2)
		me := fx.bot(b[0])
		name := "old room"
		fx.importRow(b[0], "e1", 100, &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadInvited{ThreadInvited: &b2bv1.ThreadInvitedCatchup{
			ThreadId: "gone", Topic: "Gone", Inviter: "ghost",
		}}})
		fx.importRow(b[0], "e2", 200, &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ChannelMessageSummary{ChannelMessageSummary: &b2bv1.ChannelMessagesCatchup{
			ChannelId: "c", Count: 7, LastAt: timestamppb.New(time.UnixMilli(199)), ChannelName: &name,
		}}})
		fx.importRow(b[1], "e3", 200, messagesOf("t", 99, 200)) // of another bot
		fx.importRow(b[0], "e4", 300, messagesOf("t", 5, 299))
		fx.importRow(b[0], "e5", 400, messagesOf("t", 6, 400)) // a second row of the thread
		last := fx.history()[4].Seq

		rows, cursor := fx.catchUp(me, 0, "", 100, nil)
		var ids []string
		for _, r := range rows {
			ids = append(ids, r.EventID)
		}
		if !slices.Equal(ids, []string{"e1", "e2", "e4", "e5"}) {
			t.Fatalf("got %v", ids)
		}
		if r := rows[0]; r.Type != eventtype.CatchUpThreadInvited || r.Topic != "Gone" || r.By != "ghost" || r.OccurredAt != 100 {
			t.Errorf("the invitation: %+v", r)
		}
		if r := rows[1]; r.ChannelName == nil || *r.ChannelName != name || r.Count != 7 || r.LastAt != 199 || r.OccurredAt != 200 {
			t.Errorf("the channel: %+v", r)
		}
		if r := rows[2]; r.Count != 5 || r.Topic != "then" || r.LastAt != 299 {
			t.Errorf("the thread: %+v", r)
		}
		if n, err := eventlog.Count(t.Context(), fx.store, me, 200); err != nil || n.Total != 2 || n.ThreadActivities != 2 {
			t.Errorf("counted %+v, %v", n, err)
		}

		// Pages give the same rows, and a stream continues from the last cursor.
		paged, again := fx.catchUp(me, 0, "", 1, nil)
		if !slices.Equal(text(paged), text(rows)) || again != cursor {
			t.Errorf("paged %v, cursor %s and %s", text(paged), again, cursor)
		}
		from, err := eventlog.ParsePosition(cursor)
		if err != nil || from.Seq != last {
			t.Fatalf("the last cursor is %v, %v", from, err)
		}

		// Later events are added to the newest row of the thread.
		thread := fx.thread(b[0], b[1])
		fx.importRow(b[0], "e6", 2_000_000, messagesOf(thread, 5, 2_000_000))
		fx.post(thread, b[1], "one more")
		rows, _ = fx.catchUp(me, 0, "", 100, nil)
		r := rows[len(rows)-1]
		if r.EventID != "e6" || r.Count != 6 || r.Topic == "then" {
			t.Errorf("with later events: %+v", r)
		}
	})
}

// TestNoStreamOverImportedRows: a stream from a position before an imported row is refused, since
// the log does not have the events that the row sums up.
func TestNoStreamOverImportedRows(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		b := fx.bots(2)
		fx.importRow(b[0], "e1", 100, messagesOf("t", 5, 100))
		fx.importRow(b[0], "e2", 200, messagesOf("u", 5, 200))
		_, end := fx.catchUp(fx.bot(b[0]), 0, "", 100, nil)
		page, err := eventlog.CatchUp(t.Context(), fx.store, fx.bot(b[0]), 0, "", 1)
		if err != nil || !page.More {
			t.Fatalf("a page of one: %+v, %v", page, err)
		}
		thread := fx.thread(b[0], b[1])
		fx.post(thread, b[1], "later")
		h := fx.hub(eventlog.Config{})
		next := func(cursor string) (*eventlog.Item, error) {
			from, err := eventlog.ParsePosition(cursor)
			if err != nil {
				t.Fatal(err)
			}
			s, err := h.Subscribe(t.Context(), fx.bot(b[0]), &from, eventlog.Filter{})
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return s.Next(t.Context())
		}
		var refusal *call.Error
		if _, err := next(page.Cursor); !errors.As(err, &refusal) || refusal.Code != b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED {
			t.Errorf("a stream from within: %v", err)
		}
		if it, err := next(end); err != nil || it.Position.Seq != 3 {
			t.Errorf("a stream from the end: %+v, %v", it, err)
		}
	})
}
