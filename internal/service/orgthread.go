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

// orgThreadService serves threads to the org's admins, to whom visibility and permission policy do
// not apply (B2B-ORGTHR-001).
type orgThreadService struct {
	*core
	reads orgThreadReads
}

// orgThreadReads is what orgThreadService reads of the store.
type orgThreadReads interface {
	threadReader
	historyReader
	SearchMessages(ctx context.Context, org, text string, after *store.PageKey, limit int) ([]store.MessageHit, error)
}

// orgThreadView is what it reads on one snapshot.
type orgThreadView interface {
	threadReader
	settingsReader
	Threads(ctx context.Context, q store.ThreadQuery) ([]store.ThreadRow, error)
	Participants(ctx context.Context, thread string, limit int) ([]store.ParticipantRow, error)
	ParticipantsOf(ctx context.Context, threads []string, limit int) ([]store.ParticipantRow, error)
}

// orgThreadTx is what its changes need.
type orgThreadTx interface {
	admitTx
	removeTx
	threadWriteTx
	threadReader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	ResolveBot(ctx context.Context, org, ref string) (*store.Bot, error)
}

// searchLeast is the least length of a search text, in UTF-16 code units.
const searchLeast = 2

// orgActor returns the actor of changes and invitations by admins, also by admin bots.
func orgActor(caller *call.Caller) string { return "org:" + caller.OrgID }

// ListOrgThreads returns all threads of the org, with participants.
func (s *orgThreadService) ListOrgThreads(ctx context.Context, req *b2bv1.ListOrgThreadsRequest) (*b2bv1.ListOrgThreadsResponse, error) {
	status, err := statusFilter(req.Status)
	if err != nil {
		return nil, err
	}
	size := pageSize(req.Limit)
	q := store.ThreadQuery{
		OrgID: call.CallerOf(ctx).OrgID, Scope: store.ThreadsAll, Status: status,
		Search: jstext.Trim(req.GetSearch()), Limit: size + 1,
	}
	paged := req.GetCursor() != "" || req.GetSearch() != "" || req.Limit != nil && req.Offset == nil
	if paged {
		if p, ok := pagetoken.ParsePlain(req.GetCursor()); ok {
			q.Before = &store.PageKey{At: p.At, ID: p.ID}
		}
	} else {
		q.Offset = max(int(req.GetOffset()), 0)
	}
	return view(ctx, s.core, func(r orgThreadView) (*b2bv1.ListOrgThreadsResponse, error) {
		rows, err := r.Threads(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list threads of the org: %w", err)
		}
		rows, more := page(rows, size)
		if n := limitParticipants(rows); n < len(rows) {
			rows, more = rows[:n], true
		}
		items, err := threadDetailsOut(ctx, r, rows)
		if err != nil {
			return nil, err
		}
		rows, items, more = cutToSize(s.core, rows, items, more)
		res := &b2bv1.ListOrgThreadsResponse{Items: items, HasMore: more, Paged: paged}
		if more {
			last := &rows[len(rows)-1]
			next := pagetoken.Token{At: last.LastActivityAt, ID: last.ID}.Plain()
			res.NextCursor = &next
		}
		return res, nil
	})
}

// maxShownParticipants bounds the participants in a page of threads, except those of its last
// thread. With names of usual length, more than these do not fit in a response.
const maxShownParticipants = 20_000

// limitParticipants returns how many of the first threads have at most maxShownParticipants in all;
// at least one.
func limitParticipants(rows []store.ThreadRow) int {
	left := int64(maxShownParticipants)
	for i := range rows {
		if left -= rows[i].ParticipantCount; left < 0 && i > 0 {
			return i
		}
	}
	return len(rows)
}

// threadDetailsOut returns threads with their participants, which it reads with one query.
func threadDetailsOut(ctx context.Context, r orgThreadView, rows []store.ThreadRow) ([]*b2bv1.Thread, error) {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	participants, err := r.ParticipantsOf(ctx, ids, limits.MaxParticipants)
	if err != nil {
		return nil, fmt.Errorf("list participants of threads: %w", err)
	}
	of := make(map[string][]store.ParticipantRow, len(rows))
	for _, p := range participants {
		of[p.ThreadID] = append(of[p.ThreadID], p)
	}
	out := make([]*b2bv1.Thread, len(rows))
	for i := range rows {
		out[i] = threadDetailOut(&rows[i].Thread, of[rows[i].ID])
	}
	return out, nil
}

// find finds a thread of the caller's org.
func (s *core) find(ctx context.Context, r threadReader, id string) (*store.Thread, error) {
	t, err := r.Thread(ctx, call.CallerOf(ctx).OrgID, id)
	return t, notFound(err, "thread")
}

// GetOrgThread returns a thread and its participants.
func (s *orgThreadService) GetOrgThread(ctx context.Context, req *b2bv1.GetOrgThreadRequest) (*b2bv1.GetOrgThreadResponse, error) {
	return view(ctx, s.core, func(r orgThreadView) (*b2bv1.GetOrgThreadResponse, error) {
		t, err := s.find(ctx, r, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		participants, err := r.Participants(ctx, t.ID, limits.MaxParticipants)
		if err != nil {
			return nil, fmt.Errorf("list participants: %w", err)
		}
		out := threadDetailOut(t, participants)
		return &b2bv1.GetOrgThreadResponse{Thread: out}, showTurnsLeft(ctx, r, t, out)
	})
}

// ListOrgThreadMessages returns messages, paged by time or by message id (B2B-ORGTHR-008).
func (s *orgThreadService) ListOrgThreadMessages(ctx context.Context, req *b2bv1.ListOrgThreadMessagesRequest) (*b2bv1.ListOrgThreadMessagesResponse, error) {
	t, err := s.find(ctx, s.reads, req.GetThreadId())
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Limit)
	bound := pagetoken.Before(req.GetBefore())
	if bound.Kind == pagetoken.ByID {
		items, next, err := s.history(ctx, s.reads, t.ID, bound.ID, limit)
		if err != nil {
			return nil, err
		}
		return &b2bv1.ListOrgThreadMessagesResponse{Messages: items, HasMore: next != nil, NextCursor: next, Paged: true}, nil
	}
	items, next, err := s.newest(ctx, s.reads, t.ID, messageRange(bound, req.Since, limit))
	if err != nil {
		return nil, err
	}
	return &b2bv1.ListOrgThreadMessagesResponse{Messages: items, HasMore: next != nil, NextCursor: next}, nil
}

// UpdateOrgThread changes status and settings (B2B-ORGTHR-011, B2B-ORGTHR-012).
func (s *orgThreadService) UpdateOrgThread(ctx context.Context, req *b2bv1.UpdateOrgThreadRequest) (*b2bv1.UpdateOrgThreadResponse, error) {
	caller := call.CallerOf(ctx)
	named := namedFields(req, req.UpdateMask)
	return change(ctx, s.core, caller.OrgID, req, func(tx orgThreadTx) (*b2bv1.UpdateOrgThreadResponse, error) {
		t, err := s.find(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		if !anyNamed(named, "status", "visibility", "join_policy", "permission_policy", "turn_limit") {
			return nil, call.Invalid("name at least one of status, visibility, join_policy, permission_policy, turn_limit")
		}
		if named("status") {
			if t, err = s.settleThread(ctx, tx, t); err != nil {
				return nil, err
			}
		}
		w := &threadWrite{before: *t}
		if err := w.readSettings(named, req.Visibility, req.JoinPolicy, req.PermissionPolicy); err != nil {
			return nil, err
		}
		if err := w.readStatus(named, req.Status, req.CloseReason); err != nil {
			return nil, err
		}
		w.TurnLimit, w.turnLimit = named("turn_limit"), req.TurnLimit
		if err := s.writeThread(ctx, tx, w); err != nil {
			return nil, err
		}
		if err := s.emitStatusChanged(ctx, tx, w, orgActor(caller)); err != nil {
			return nil, err
		}
		out := threadOut(&w.after)
		settings := thread.Write{Policy: w.Policy, Settings: w.Settings, TurnLimit: w.TurnLimit}
		if changes := settings.Changes(settingsOf(&w.before), settingsOf(&w.after)); len(changes) > 0 {
			if err := s.emitUpdated(ctx, tx, out, changes); err != nil {
				return nil, err
			}
		}
		return &b2bv1.UpdateOrgThreadResponse{Thread: out}, s.withdrawOfEnded(ctx, tx, w, orgActor(caller))
	})
}

// AddOrgThreadParticipant adds a bot, by id (B2B-ORGTHR-015).
func (s *orgThreadService) AddOrgThreadParticipant(ctx context.Context, req *b2bv1.AddOrgThreadParticipantRequest) (*b2bv1.AddOrgThreadParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx orgThreadTx) (*b2bv1.AddOrgThreadParticipantResponse, error) {
		t, err := s.findLive(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		if err := checkInvitation(req); err != nil {
			return nil, err
		}
		bot, err := tx.Bot(ctx, caller.OrgID, req.GetBotId())
		switch {
		case err != nil:
			return nil, notFound(err, "bot")
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive("bot_id", bot)
		}
		there, err := participation(ctx, tx, t.ID, bot.ID)
		switch {
		case err != nil:
			return nil, err
		case there != nil:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ALREADY_PARTICIPANT, "bot_id: this bot is already a participant")
		}
		a := &admission{id: bot.ID, name: bot.Name, by: orgActor(caller), label: req.Label}
		if req.Label != nil {
			a.eventLabel = &b2bv1.LabelValue{Value: req.Label}
		}
		added, err := s.admit(ctx, tx, t, a)
		if err != nil {
			return nil, err
		}
		details := detail{"invited_bot_id": bot.ID, "invited_bot_name": bot.Name, "by": orgActor(caller)}.via(ctx)
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.invite", "thread", t.ID, details)
		return &b2bv1.AddOrgThreadParticipantResponse{Participant: participantOut(added)}, err
	})
}

// RemoveOrgThreadParticipant removes a bot (B2B-ORGTHR-016).
func (s *orgThreadService) RemoveOrgThreadParticipant(ctx context.Context, req *b2bv1.RemoveOrgThreadParticipantRequest) (*b2bv1.RemoveOrgThreadParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx orgThreadTx) (*b2bv1.RemoveOrgThreadParticipantResponse, error) {
		t, err := s.findLive(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		bot, err := tx.ResolveBot(ctx, caller.OrgID, req.GetBot())
		if err != nil {
			return nil, notFound(err, "bot")
		}
		return &b2bv1.RemoveOrgThreadParticipantResponse{Ok: true}, s.remove(ctx, tx, t, bot)
	})
}

// findLive is find for operations that a resolved or closed thread refuses.
func (s *orgThreadService) findLive(ctx context.Context, tx orgThreadTx, id string) (*store.Thread, error) {
	t, err := s.find(ctx, tx, id)
	if err == nil && thread.Status(t.Status).Terminal() {
		err = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL, "This thread is %s", t.Status)
	}
	return t, err
}

// SearchOrgMessages searches the thread messages of the whole org.
func (s *orgThreadService) SearchOrgMessages(ctx context.Context, req *b2bv1.SearchOrgMessagesRequest) (*b2bv1.SearchOrgMessagesResponse, error) {
	q := jstext.Trim(req.GetQ())
	if jstext.Len(q) < searchLeast {
		return &b2bv1.SearchOrgMessagesResponse{}, nil
	}
	older, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	hits, err := s.reads.SearchMessages(ctx, call.CallerOf(ctx).OrgID, q, older, limits.MaxFound+1)
	if err != nil {
		return nil, fmt.Errorf("search messages: %w", err)
	}
	hits, more := page(hits, limits.MaxFound)
	found := make([]*b2bv1.FoundMessage, len(hits))
	for i, h := range hits {
		found[i] = &b2bv1.FoundMessage{
			MessageId: h.MessageID, ThreadId: h.ThreadID, ThreadTopic: h.ThreadTopic, SenderName: h.SenderName,
			Content: h.Content, CreatedAt: stamp(h.CreatedAt),
		}
	}
	hits, found, more = cutToSize(s.core, hits, found, more)
	res := &b2bv1.SearchOrgMessagesResponse{Messages: found}
	if more {
		last := &hits[len(hits)-1]
		res.NextCursor = formatPageToken(last.CreatedAt, last.MessageID)
	}
	return res, nil
}
