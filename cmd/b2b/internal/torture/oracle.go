package torture

import (
	"context"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Row is an event of the log.
type Row struct {
	Seq   int64
	Event *b2bv1.Event
	Text  string // the frame as wire JSON, without its cursor

	audience store.Audience
	bot      string
	initial  []string // the first members of a thread
}

// ReadLog reads the whole log of an org. It returns an error if the seqs are not 1, 2, 3…
func ReadLog(ctx context.Context, r store.LogReader, org string) ([]Row, error) {
	var rows []Row
	for {
		page, err := r.ReadLog(ctx, org, int64(len(rows)), 1000)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		for i := range page {
			if want := int64(len(rows)) + 1; page[i].Seq != want {
				return nil, fmt.Errorf("the log has seq %d where %d has to be", page[i].Seq, want)
			}
			row, err := newRow(&page[i])
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if len(page) == 0 {
			findInitial(rows)
			return rows, nil
		}
	}
}

func newRow(e *store.Event) (Row, error) {
	event, err := eventlog.Decode(e)
	if err != nil {
		return Row{}, err
	}
	row := Row{Seq: e.Seq, Event: event, audience: e.Audience}
	if e.BotID != nil {
		row.bot = *e.BotID
	}
	row.Text = string(wire.AppendEvent(nil, row.Event))
	return row, nil
}

// findInitial finds the first members of threads: those that join right after its creation, by the
// initiator. An invitation would look the same but has a label.
func findInitial(rows []Row) {
	for i := range rows {
		t := rows[i].Event.GetThreadCreated().GetThread()
		if t == nil {
			continue
		}
		for _, next := range rows[i+1:] {
			p := next.Event.GetThreadParticipant()
			if p.GetThreadId() != t.GetId() || p.GetBy() != t.GetInitiatorId() || p.GetLabel() != nil || p.GetAction() != b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED {
				break
			}
			rows[i].initial = append(rows[i].initial, p.GetBotId())
		}
	}
}

// Viewer is a recipient of events.
type Viewer struct {
	Bot   string          // "": a human org admin
	Admin bool            // the bot is an admin
	Names map[string]bool // the threads and channels that a human subscribes to
}

// Expected returns the events that a viewer must receive.
func (v Viewer) Expected(log []Row) ([]*Row, error) {
	var expected []*Row
	in := map[string]bool{} // threads and channels that the bot is in
	for i := range log {
		row := &log[i]
		if row.audience == store.AudienceInternal || row.audience == store.AudiencePresence {
			continue
		}
		sees, err := v.sees(row, in)
		if err != nil {
			return nil, err
		}
		if sees {
			expected = append(expected, row)
		}
	}
	return expected, nil
}

// sees reports whether the viewer must receive an event, and updates in.
func (v Viewer) sees(row *Row, in map[string]bool) (bool, error) {
	switch e := row.Event.Event.(type) {
	case *b2bv1.Event_BotRegistered, *b2bv1.Event_BotStatusChanged, *b2bv1.Event_BotRenamed:
		return true, nil
	case *b2bv1.Event_BotJoinRequest:
		return v.Bot == "" || v.Admin, nil
	case *b2bv1.Event_ChannelCreated:
		id := e.ChannelCreated.GetChannel().GetId()
		in[id] = slices.Contains(e.ChannelCreated.GetMembers(), v.Bot)
		return v.within(id, in), nil
	case *b2bv1.Event_Message:
		return v.within(e.Message.GetChannelId(), in), nil
	case *b2bv1.Event_ThreadCreated:
		id := e.ThreadCreated.GetThread().GetId()
		in[id] = slices.Contains(row.initial, v.Bot)
		return v.within(id, in), nil
	case *b2bv1.Event_ThreadParticipant:
		p := e.ThreadParticipant
		before := v.within(p.GetThreadId(), in)
		if v.Bot != "" && p.GetBotId() == v.Bot {
			in[p.GetThreadId()] = p.GetAction() == b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED
		}
		return before || v.within(p.GetThreadId(), in), nil
	case *b2bv1.Event_ThreadMessage:
		return v.within(e.ThreadMessage.GetThreadId(), in), nil
	case *b2bv1.Event_ThreadArtifact:
		return v.within(e.ThreadArtifact.GetThreadId(), in), nil
	case *b2bv1.Event_ThreadStatusChanged:
		return v.within(e.ThreadStatusChanged.GetThreadId(), in), nil
	case *b2bv1.Event_ThreadUpdated:
		return v.within(e.ThreadUpdated.GetThread().GetId(), in), nil
	case *b2bv1.Event_ThreadJoinResolved:
		return v.Bot != "" && v.Bot == row.bot, nil
	}
	return false, fmt.Errorf("event %d: the recipients of %T are not defined here", row.Seq, row.Event.Event)
}

func (v Viewer) within(id string, in map[string]bool) bool {
	if v.Bot == "" {
		return v.Names[id]
	}
	return in[id]
}

// Missed returns what a catch-up must list of events that a bot would have received: how often each
// thing happened, by kind and place.
func (v Viewer) Missed(expected []*Row) map[string]int64 {
	rows := map[string]int64{}
	for _, row := range expected {
		switch e := row.Event.Event.(type) {
		case *b2bv1.Event_Message:
			if e.Message.GetMessage().GetSenderId() != v.Bot {
				rows["channel_message_summary "+e.Message.GetChannelId()]++
			}
		case *b2bv1.Event_ThreadMessage:
			if e.ThreadMessage.GetMessage().GetSenderId() != v.Bot {
				rows["thread_message_summary "+e.ThreadMessage.GetThreadId()]++
			}
		case *b2bv1.Event_ThreadArtifact:
			if e.ThreadArtifact.GetArtifact().GetContributorId() != v.Bot {
				rows["thread_artifact_added "+e.ThreadArtifact.GetThreadId()]++
			}
		case *b2bv1.Event_ThreadStatusChanged:
			rows["thread_status_changed "+e.ThreadStatusChanged.GetThreadId()]++
		case *b2bv1.Event_ThreadParticipant:
			p := e.ThreadParticipant
			switch {
			case p.GetBotId() != v.Bot:
			case p.GetAction() == b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT:
				rows["thread_participant_removed "+p.GetThreadId()]++
			case p.GetBy() != v.Bot:
				rows["thread_invited "+p.GetThreadId()]++
			}
		}
	}
	return rows
}
