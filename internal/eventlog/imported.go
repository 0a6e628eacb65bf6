package eventlog

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// ImportedRow returns the entry of the log with which an import keeps one row of a bot's old
// catch-up. The events that the row sums up are not in the log.
//
// Catch-up returns the row under its old id, and adds later events to it. A stream cannot
// deliver it: one from a position before it is refused (CURSOR_EXPIRED).
func ImportedRow(bot string, e *b2bv1.CatchupEvent) (store.Event, error) {
	payload, err := proto.Marshal(e)
	if err != nil {
		return store.Event{}, fmt.Errorf("encode a catch-up row: %w", err)
	}
	return store.Event{
		At: e.GetOccurredAt().AsTime().UnixMilli(), Type: eventtype.ImportedRow,
		Audience: store.AudienceBot, BotID: &bot, Payload: payload,
	}, nil
}

// addImported adds a row of the viewer's old catch-up, which is addressed to the viewer. Later
// events of its thread or channel are added to the row.
func (c *collector) addImported(e *store.Event) error {
	old := &b2bv1.CatchupEvent{}
	if err := proto.Unmarshal(e.Payload, old); err != nil {
		return fmt.Errorf("decode event %d of org %s: %w", e.Seq, e.OrgID, err)
	}
	row := CatchUpRow{EventID: old.EventId, OccurredAt: e.At, Count: 1, after: e.Seq - 1, last: e.Seq, imported: true}
	group := ""
	switch o := old.Event.(type) {
	case *b2bv1.CatchupEvent_ThreadInvited:
		row.Type, row.ThreadID, row.Topic, row.By = eventtype.CatchUpThreadInvited, o.ThreadInvited.ThreadId, o.ThreadInvited.Topic, o.ThreadInvited.Inviter
	case *b2bv1.CatchupEvent_ThreadStatusChanged:
		s := o.ThreadStatusChanged
		row.Type, row.ThreadID, row.Topic, row.By, row.From, row.To = eventtype.CatchUpThreadStatusChanged, s.ThreadId, s.Topic, s.By, s.From, s.To
	case *b2bv1.CatchupEvent_ThreadParticipantRemoved:
		r := o.ThreadParticipantRemoved
		row.Type, row.ThreadID, row.Topic, row.By = eventtype.CatchUpThreadParticipantRemoved, r.ThreadId, r.Topic, r.RemovedBy
	case *b2bv1.CatchupEvent_ThreadMessageSummary:
		m := o.ThreadMessageSummary
		row.Type, row.ThreadID, row.Topic, row.Count = eventtype.CatchUpThreadMessageSummary, m.ThreadId, m.Topic, int64(m.Count)
		row.LastAt, group = m.LastAt.AsTime().UnixMilli(), m.ThreadId
	case *b2bv1.CatchupEvent_ThreadArtifactAdded:
		a := o.ThreadArtifactAdded
		row.Type, row.ThreadID, row.Key, row.Version, row.Count = eventtype.CatchUpThreadArtifactAdded, a.ThreadId, a.ArtifactKey, int64(a.Version), int64(a.Count)
		group = a.ThreadId
	case *b2bv1.CatchupEvent_ChannelMessageSummary:
		m := o.ChannelMessageSummary
		row.Type, row.ChannelID, row.ChannelName, row.Count = eventtype.CatchUpChannelMessageSummary, m.ChannelId, m.ChannelName, int64(m.Count)
		row.LastAt, group = m.LastAt.AsTime().UnixMilli(), m.ChannelId
	default:
		return nil // a type of a newer node
	}
	if group != "" {
		c.groups[groupOf(row.Type, group)] = len(c.rows)
	}
	c.rows = append(c.rows, row)
	return nil
}
