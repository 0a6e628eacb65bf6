package service

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// missed calls fn with the viewer of the calling bot and the time since when it was absent.
func (s *eventService) missed(ctx context.Context, since *timestamppb.Timestamp, fn func(v eventlog.Viewer, since int64) error) error {
	if since == nil {
		return call.Invalid("since: is required, in Unix milliseconds")
	}
	return fn(viewer(call.CallerOf(ctx)), millis(since))
}

// ListCatchupEvents returns what the calling bot missed (B2B-CATCH-001).
func (s *eventService) ListCatchupEvents(ctx context.Context, req *b2bv1.ListCatchupEventsRequest) (*b2bv1.ListCatchupEventsResponse, error) {
	var page *eventlog.CatchUpPage
	err := s.missed(ctx, req.Since, func(v eventlog.Viewer, since int64) (err error) {
		page, err = eventlog.CatchUp(ctx, s.reads, v, since, req.GetCursor(), pageSize(req.Limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("catch up: %w", err)
	}
	res := &b2bv1.ListCatchupEventsResponse{Events: make([]*b2bv1.CatchupEvent, len(page.Rows)), HasMore: page.More}
	for i := range page.Rows {
		res.Events[i] = catchupEvent(&page.Rows[i])
	}
	if page.More {
		res.Cursor = &page.Cursor
	} else {
		res.StreamCursor = &page.Cursor
	}
	return res, nil
}

// CountCatchupEvents returns how much the calling bot missed (B2B-CATCH-006).
func (s *eventService) CountCatchupEvents(ctx context.Context, req *b2bv1.CountCatchupEventsRequest) (*b2bv1.CountCatchupEventsResponse, error) {
	var n eventlog.Counts
	err := s.missed(ctx, req.Since, func(v eventlog.Viewer, since int64) (err error) {
		n, err = eventlog.Count(ctx, s.reads, v, since)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count a catch-up: %w", err)
	}
	return &b2bv1.CountCatchupEventsResponse{
		ThreadInvites: int32(n.ThreadInvites), ThreadStatusChanges: int32(n.ThreadStatusChanges),
		ThreadActivities: int32(n.ThreadActivities), ChannelMessages: int32(n.ChannelMessages), Total: int32(n.Total),
	}, nil
}

func catchupEvent(row *eventlog.CatchUpRow) *b2bv1.CatchupEvent {
	out := &b2bv1.CatchupEvent{EventId: row.EventID, OccurredAt: stamp(row.OccurredAt)}
	switch row.Type {
	case eventtype.CatchUpThreadInvited:
		out.Event = &b2bv1.CatchupEvent_ThreadInvited{ThreadInvited: &b2bv1.ThreadInvitedCatchup{
			ThreadId: row.ThreadID, Topic: row.Topic, Inviter: row.By,
		}}
	case eventtype.CatchUpThreadStatusChanged:
		out.Event = &b2bv1.CatchupEvent_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
			ThreadId: row.ThreadID, Topic: row.Topic, From: row.From, To: row.To, By: row.By,
		}}
	case eventtype.CatchUpThreadMessageSummary:
		out.Event = &b2bv1.CatchupEvent_ThreadMessageSummary{ThreadMessageSummary: &b2bv1.ThreadMessagesCatchup{
			ThreadId: row.ThreadID, Topic: row.Topic, Count: int32(row.Count), LastAt: stamp(row.LastAt),
		}}
	case eventtype.CatchUpThreadArtifactAdded:
		out.Event = &b2bv1.CatchupEvent_ThreadArtifactAdded{ThreadArtifactAdded: &b2bv1.ThreadArtifactsCatchup{
			ThreadId: row.ThreadID, ArtifactKey: row.Key, Version: int32(row.Version), Count: int32(row.Count),
		}}
	case eventtype.CatchUpChannelMessageSummary:
		out.Event = &b2bv1.CatchupEvent_ChannelMessageSummary{ChannelMessageSummary: &b2bv1.ChannelMessagesCatchup{
			ChannelId: row.ChannelID, ChannelName: row.ChannelName, Count: int32(row.Count), LastAt: stamp(row.LastAt),
		}}
	case eventtype.CatchUpThreadParticipantRemoved:
		out.Event = &b2bv1.CatchupEvent_ThreadParticipantRemoved{ThreadParticipantRemoved: &b2bv1.ThreadRemovedCatchup{
			ThreadId: row.ThreadID, Topic: row.Topic, RemovedBy: row.By,
		}}
	}
	return out
}
