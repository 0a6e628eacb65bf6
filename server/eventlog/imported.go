package eventlog

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/store"
)

// ImportedRow is the entry of the log by which an import keeps what a bot has not caught
// up with: one row of the old catch-up, as it stood. The events that it sums up are not
// in the log.
//
// So catch-up tells it as it is, under its old id, and lets it grow by what comes
// after it; a stream cannot tell it at all, and one that should begin before it is
// refused (CURSOR_EXPIRED).
func ImportedRow(bot string, e *b2bv1.CatchupEvent) (store.Event, error) {
	payload, err := proto.Marshal(e)
	if err != nil {
		return store.Event{}, fmt.Errorf("write a row of a catch-up: %w", err)
	}
	return store.Event{
		At: e.GetOccurredAt().AsTime().UnixMilli(), Type: typeImportedRow, Audience: store.AudienceBot, BotID: &bot, Payload: payload,
	}, nil
}

// carried takes a row of the old catch-up of the viewer. Later events of its thread or
// channel are added to it.
func (c *collector) addImported(e *store.Event) error {
	if !visible(e, c.viewer, nil, false) {
		return nil
	}
	old := &b2bv1.CatchupEvent{}
	if err := proto.Unmarshal(e.Payload, old); err != nil {
		return fmt.Errorf("read event %d of org %s: %w", e.Seq, e.OrgID, err)
	}
	row := CatchUpRow{EventID: old.EventId, OccurredAt: e.At, Count: 1, first: e.Seq, last: e.Seq, imported: true}
	group := ""
	switch o := old.Event.(type) {
	case *b2bv1.CatchupEvent_ThreadInvited:
		row.Type, row.ThreadID, row.Topic, row.By = CatchUpInvited, o.ThreadInvited.ThreadId, o.ThreadInvited.Topic, o.ThreadInvited.Inviter
	case *b2bv1.CatchupEvent_ThreadStatusChanged:
		s := o.ThreadStatusChanged
		row.Type, row.ThreadID, row.Topic, row.By, row.From, row.To = CatchUpStatusChanged, s.ThreadId, s.Topic, s.By, s.From, s.To
	case *b2bv1.CatchupEvent_ThreadParticipantRemoved:
		r := o.ThreadParticipantRemoved
		row.Type, row.ThreadID, row.Topic, row.By = CatchUpRemoved, r.ThreadId, r.Topic, r.RemovedBy
	case *b2bv1.CatchupEvent_ThreadMessageSummary:
		m := o.ThreadMessageSummary
		row.Type, row.ThreadID, row.Topic, row.Count = CatchUpThreadMessages, m.ThreadId, m.Topic, int64(m.Count)
		row.LastAt, group = m.LastAt.AsTime().UnixMilli(), m.ThreadId
	case *b2bv1.CatchupEvent_ThreadArtifactAdded:
		a := o.ThreadArtifactAdded
		row.Type, row.ThreadID, row.Key, row.Version, row.Count = CatchUpArtifacts, a.ThreadId, a.ArtifactKey, int64(a.Version), int64(a.Count)
		group = a.ThreadId
	case *b2bv1.CatchupEvent_ChannelMessageSummary:
		m := o.ChannelMessageSummary
		row.Type, row.ChannelID, row.ChannelName, row.Count = CatchUpChannel, m.ChannelId, m.ChannelName, int64(m.Count)
		row.LastAt, group = m.LastAt.AsTime().UnixMilli(), m.ChannelId
	default:
		return nil // of a newer node
	}
	if group != "" {
		c.groups[row.Type+":"+group] = len(c.rows)
	}
	c.rows = append(c.rows, row)
	return nil
}
