package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/jstext"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// ListThreads returns the caller's threads (B2B-THR-030, B2B-THR-031), and with scope=org also the
// threads of the org that it can see (B2B-THR-032).
func (s *threadService) ListThreads(ctx context.Context, req *b2bv1.ListThreadsRequest) (*b2bv1.ListThreadsResponse, error) {
	caller := call.CallerOf(ctx)
	status, err := statusFilter(req.Status)
	if err != nil {
		return nil, err
	}
	q := store.ThreadQuery{
		OrgID: caller.OrgID, BotID: caller.BotID, Scope: store.ThreadsJoined,
		Status: status, Search: jstext.Trim(req.GetQ()),
	}
	shared, bare := req.GetScope() == "org", false
	size := pageSize(req.Limit)
	switch {
	case shared:
		if err := limits.SharedQuery(q.Search); err != nil {
			return nil, ruleError(err)
		}
		q.Scope = store.ThreadsDiscovered
		size = within(req.Limit, limits.UsualSharedPage, limits.MaxSharedPage)
	case req.GetCursor() == "" && req.GetQ() == "" && req.Limit == nil:
		size, bare = limits.MaxPage, true
	}
	q.Before, q.Limit = parseOpaqueToken(req.Cursor), size+1
	rows, err := s.reads.Threads(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("page threads: %w", err)
	}
	rows, more := page(rows, size)
	rows, items, more := cutToSize(s.core, rows, threadRowsOut(rows), more)
	res := &b2bv1.ListThreadsResponse{Items: items, HasMore: more, Paged: !bare}
	if shared {
		for i := range items {
			res.Items[i].IsParticipant = &rows[i].IsParticipant
		}
	}
	if more {
		res.NextCursor = nextThread(rows)
	}
	return res, nil
}

// nextThread returns the opaque page token after the last of the threads.
func nextThread(rows []store.ThreadRow) *string {
	last := &rows[len(rows)-1]
	text := pagetoken.Token{At: last.LastActivityAt, ID: last.ID}.Opaque()
	return &text
}

// statusFilter returns the stored text of the status that a list is filtered by; empty: any.
func statusFilter(status *b2bv1.ThreadStatus) (string, error) {
	if status == nil {
		return "", nil
	}
	s, ok := thread.ParseStatus(textOf(*status, "THREAD_STATUS_"))
	if !ok {
		return "", errStatus()
	}
	return string(s), nil
}

func errStatus() error {
	return call.Invalid("status: must be active, blocked, reviewing, resolved or closed")
}

// GetThread returns a thread and its participants (B2B-THR-040).
func (s *threadService) GetThread(ctx context.Context, req *b2bv1.GetThreadRequest) (*b2bv1.GetThreadResponse, error) {
	return view(ctx, s.core, func(r threadView) (*b2bv1.GetThreadResponse, error) {
		t, _, err := s.enter(ctx, r, req.GetThreadId(), false)
		if err != nil {
			return nil, err
		}
		participants, err := r.Participants(ctx, t.ID, limits.MaxParticipants)
		if err != nil {
			return nil, fmt.Errorf("list participants: %w", err)
		}
		out := threadDetailOut(t, participants)
		return &b2bv1.GetThreadResponse{Thread: out}, showTurnsLeft(ctx, r, t, out)
	})
}
