package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// catchup carries what bots had not oldCatchUpRow up with: the first entries of the log.
func (c *carrier) catchup(ctx context.Context) error {
	const joins = "LEFT JOIN bots b ON b.id = t.target_bot_id AND b.org_id = t.org_id"
	return c.from(ctx, "catchup_events", "id target_bot_id type payload occurred_at", withBot, joins, "t.occurred_at, t.id", func(r *row) error {
		id, at := r.text("id"), r.number("occurred_at", 0)
		if r.value("known_bot") == nil {
			c.skip("catchup_events", id, noBot)
			return nil
		}
		var p oldCatchUpRow
		if err := json.Unmarshal([]byte(r.text("payload")), &p); err != nil {
			c.skip("catchup_events", id, "its payload cannot be read")
			return nil
		}
		event := p.event(r.text("type"), at)
		if event == nil {
			c.skip("catchup_events", id, "its type is not known")
			return nil
		}
		event.EventId, event.OccurredAt = id, stamp(at)
		entry, err := eventlog.ImportedRow(r.text("target_bot_id"), event)
		if err != nil {
			return err
		}
		c.carried["catchup_events"]++
		if c.tx == nil {
			return nil
		}
		if _, err := c.tx.Append(ctx, entry); err != nil {
			return fmt.Errorf("write the log of org %s: %w", c.org, err)
		}
		return nil
	})
}

// oldCatchUpRow is the payload of a row of the old table catchup_events, of any of its six types.
type oldCatchUpRow struct {
	ThreadID    string  `json:"thread_id"`
	Topic       string  `json:"topic"`
	Inviter     string  `json:"inviter"`
	From        string  `json:"from"`
	To          string  `json:"to"`
	By          string  `json:"by"`
	RemovedBy   string  `json:"removed_by"`
	Count       *int32  `json:"count"`
	LastAt      float64 `json:"last_at"`
	ArtifactKey string  `json:"artifact_key"`
	Version     int32   `json:"version"`
	ChannelID   string  `json:"channel_id"`
	ChannelName *string `json:"channel_name"`
}

// event makes a row of this server's catch-up, or nil of an unknown type.
func (p *oldCatchUpRow) event(kind string, at int64) *b2bv1.CatchupEvent {
	last := stamp(int64(p.LastAt))
	if p.LastAt == 0 {
		last = stamp(at)
	}
	switch kind {
	case eventtype.CatchUpThreadInvited:
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadInvited{ThreadInvited: &b2bv1.ThreadInvitedCatchup{
			ThreadId: p.ThreadID, Topic: p.Topic, Inviter: p.Inviter,
		}}}
	case eventtype.CatchUpThreadStatusChanged:
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
			ThreadId: p.ThreadID, Topic: p.Topic, From: status(p.From), To: status(p.To), By: p.By,
		}}}
	case eventtype.CatchUpThreadParticipantRemoved:
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadParticipantRemoved{ThreadParticipantRemoved: &b2bv1.ThreadRemovedCatchup{
			ThreadId: p.ThreadID, Topic: p.Topic, RemovedBy: p.RemovedBy,
		}}}
	case eventtype.CatchUpThreadMessageSummary:
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadMessageSummary{ThreadMessageSummary: &b2bv1.ThreadMessagesCatchup{
			ThreadId: p.ThreadID, Topic: p.Topic, Count: p.count(0), LastAt: last,
		}}}
	case eventtype.CatchUpThreadArtifactAdded: // the old count lacks the first change
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ThreadArtifactAdded{ThreadArtifactAdded: &b2bv1.ThreadArtifactsCatchup{
			ThreadId: p.ThreadID, ArtifactKey: p.ArtifactKey, Version: p.Version, Count: p.count(1),
		}}}
	case eventtype.CatchUpChannelMessageSummary:
		return &b2bv1.CatchupEvent{Event: &b2bv1.CatchupEvent_ChannelMessageSummary{ChannelMessageSummary: &b2bv1.ChannelMessagesCatchup{
			ChannelId: p.ChannelID, ChannelName: p.ChannelName, Count: p.count(0), LastAt: last,
		}}}
	}
	return nil
}

// count is the old count and more; 1 where there is none.
func (p *oldCatchUpRow) count(more int32) int32 {
	if p.Count == nil {
		return 1
	}
	return *p.Count + more
}

func stamp(ms int64) *timestamppb.Timestamp { return timestamppb.New(time.UnixMilli(ms)) }

func status(text string) b2bv1.ThreadStatus {
	switch text {
	case "active":
		return b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE
	case "blocked":
		return b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED
	case "reviewing":
		return b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING
	case "resolved":
		return b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED
	case "closed":
		return b2bv1.ThreadStatus_THREAD_STATUS_CLOSED
	}
	return b2bv1.ThreadStatus_THREAD_STATUS_UNSPECIFIED
}
