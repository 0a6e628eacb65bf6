package service

import (
	"context"
	"fmt"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/jstext"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/pagetoken"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/thread"
)

// orgThreadService serves threads as the org's admins see them: visibility and permission
// policy do not apply (B2B-ORGTHR-001).
type orgThreadService struct{ *core }

// searchLeast is what a search needs, in UTF-16 code units.
const searchLeast = 2

// orgActor is how changes and invitations by admins are signed, a bot's too.
func orgActor(caller *call.Caller) string { return "org:" + caller.OrgID }

// ListOrgThreads answers all threads of the org, with participants.
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
			q.Before = &store.TimeCursor{At: p.At, ID: p.ID}
		}
	} else {
		q.Offset = max(int(req.GetOffset()), 0)
	}
	return view(ctx, s.core, func(r store.Reader) (*b2bv1.ListOrgThreadsResponse, error) {
		rows, err := r.Threads(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list threads of the org: %w", err)
		}
		rows, more := page(rows, size)
		if n := crowd(rows); n < len(rows) {
			rows, more = rows[:n], true
		}
		items, err := threadDetailsOut(ctx, r, rows)
		if err != nil {
			return nil, err
		}
		rows, items, more = fitted(s.core, rows, items, more)
		res := &b2bv1.ListOrgThreadsResponse{Items: items, HasMore: more, Paged: paged}
		if more {
			last := &rows[len(rows)-1]
			next := pagetoken.Token{At: last.LastActivityAt, ID: last.ID}.Plain()
			res.NextCursor = &next
		}
		return res, nil
	})
}

// crowdMost is how many participants a page of threads shows, but for those of its last
// thread: more than have room in an answer when their names are of usual length.
const crowdMost = 20_000

// crowd is how many of the first threads have no more participants than that, one at least.
func crowd(rows []store.ThreadRow) int {
	left := int64(crowdMost)
	for i := range rows {
		if left -= rows[i].ParticipantCount; left < 0 && i > 0 {
			return i
		}
	}
	return len(rows)
}

// threadDetailsOut reads the participants of a list of threads at once.
func threadDetailsOut(ctx context.Context, r store.Reader, rows []store.ThreadRow) ([]*b2bv1.Thread, error) {
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

// find is a thread of the caller's org.
func (s *core) find(ctx context.Context, r store.Reader, id string) (*store.Thread, error) {
	t, err := r.Thread(ctx, call.CallerOf(ctx).OrgID, id)
	return t, missing(err, "thread")
}

// GetOrgThread answers a thread and its participants.
func (s *orgThreadService) GetOrgThread(ctx context.Context, req *b2bv1.GetOrgThreadRequest) (*b2bv1.GetOrgThreadResponse, error) {
	return view(ctx, s.core, func(r store.Reader) (*b2bv1.GetOrgThreadResponse, error) {
		t, err := s.find(ctx, r, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		participants, err := r.Participants(ctx, t.ID, limits.MaxParticipants)
		if err != nil {
			return nil, fmt.Errorf("list participants: %w", err)
		}
		return &b2bv1.GetOrgThreadResponse{Thread: threadDetailOut(t, participants)}, nil
	})
}

// ListOrgThreadMessages answers messages, in one of two forms (B2B-ORGTHR-008).
func (s *orgThreadService) ListOrgThreadMessages(ctx context.Context, req *b2bv1.ListOrgThreadMessagesRequest) (*b2bv1.ListOrgThreadMessagesResponse, error) {
	t, err := s.find(ctx, s.Store, req.GetThreadId())
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Limit)
	bound := pagetoken.Before(req.GetBefore())
	if bound.Kind == pagetoken.ByID {
		items, next, err := s.history(ctx, t.ID, bound.ID, limit)
		if err != nil {
			return nil, err
		}
		return &b2bv1.ListOrgThreadMessagesResponse{Messages: items, HasMore: next != nil, NextCursor: next, Paged: true}, nil
	}
	items, next, err := s.newest(ctx, t.ID, span(bound, req.Since, limit))
	if err != nil {
		return nil, err
	}
	return &b2bv1.ListOrgThreadMessagesResponse{Messages: items, HasMore: next != nil, NextCursor: next}, nil
}

// UpdateOrgThread changes status and settings (B2B-ORGTHR-011, B2B-ORGTHR-012).
func (s *orgThreadService) UpdateOrgThread(ctx context.Context, req *b2bv1.UpdateOrgThreadRequest) (*b2bv1.UpdateOrgThreadResponse, error) {
	caller := call.CallerOf(ctx)
	named := naming(req, req.UpdateMask)
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.UpdateOrgThreadResponse, error) {
		t, err := s.find(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		if !anyNamed(named, "status", "visibility", "join_policy", "permission_policy") {
			return nil, call.Invalid("name at least one of status, visibility, join_policy, permission_policy")
		}
		w := &threadWrite{before: *t}
		if err := w.readSettings(named, req.Visibility, req.JoinPolicy, req.PermissionPolicy); err != nil {
			return nil, err
		}
		if err := w.readStatus(named, req.Status, req.CloseReason); err != nil {
			return nil, err
		}
		if err := s.writeThread(ctx, tx, w); err != nil {
			return nil, err
		}
		if err := s.tellStatus(ctx, tx, w, orgActor(caller)); err != nil {
			return nil, err
		}
		out := threadOut(&w.after)
		settings := thread.Write{Policy: w.Policy, Settings: w.Settings}
		if changes := settings.Changes(settingsOf(&w.before), settingsOf(&w.after)); len(changes) > 0 {
			if err := s.tellUpdated(ctx, tx, out, changes); err != nil {
				return nil, err
			}
		}
		return &b2bv1.UpdateOrgThreadResponse{Thread: out}, nil
	})
}

// AddOrgThreadParticipant adds a bot, by id (B2B-ORGTHR-015).
func (s *orgThreadService) AddOrgThreadParticipant(ctx context.Context, req *b2bv1.AddOrgThreadParticipantRequest) (*b2bv1.AddOrgThreadParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.AddOrgThreadParticipantResponse, error) {
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
			return nil, missing(err, "bot")
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive("bot_id", bot)
		}
		there, err := participation(ctx, tx, t.ID, bot.ID)
		switch {
		case err != nil:
			return nil, err
		case there != nil:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ALREADY_PARTICIPANT, "This bot is a participant already")
		}
		a := &admission{id: bot.ID, name: bot.Name, by: orgActor(caller), label: req.Label}
		if req.Label != nil {
			a.told = &b2bv1.LabelValue{Value: req.Label}
		}
		added, err := s.admit(ctx, tx, t, a)
		if err != nil {
			return nil, err
		}
		told := detail{"invited_bot_id": bot.ID, "invited_bot_name": bot.Name, "by": orgActor(caller)}.via(ctx)
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.invite", "thread", t.ID, told)
		return &b2bv1.AddOrgThreadParticipantResponse{Participant: participantOut(added)}, err
	})
}

// RemoveOrgThreadParticipant removes a bot (B2B-ORGTHR-016).
func (s *orgThreadService) RemoveOrgThreadParticipant(ctx context.Context, req *b2bv1.RemoveOrgThreadParticipantRequest) (*b2bv1.RemoveOrgThreadParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.RemoveOrgThreadParticipantResponse, error) {
		t, err := s.findLive(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		bot, err := tx.ResolveBot(ctx, caller.OrgID, req.GetBot())
		if err != nil {
			return nil, missing(err, "bot")
		}
		return &b2bv1.RemoveOrgThreadParticipantResponse{Ok: true}, s.remove(ctx, tx, t, bot)
	})
}

// findLive is find for what a thread that has ended refuses.
func (s *orgThreadService) findLive(ctx context.Context, tx store.Tx, id string) (*store.Thread, error) {
	t, err := s.find(ctx, tx, id)
	if err == nil && thread.Status(t.Status).Terminal() {
		err = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL, "This thread is %s", t.Status)
	}
	return t, err
}

// SearchOrgMessages finds thread messages of the whole org.
func (s *orgThreadService) SearchOrgMessages(ctx context.Context, req *b2bv1.SearchOrgMessagesRequest) (*b2bv1.SearchOrgMessagesResponse, error) {
	q := jstext.Trim(req.GetQ())
	if jstext.Len(q) < searchLeast {
		return &b2bv1.SearchOrgMessagesResponse{}, nil
	}
	older, err := behind(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	hits, err := s.Store.SearchMessages(ctx, call.CallerOf(ctx).OrgID, q, older, limits.MaxFound+1)
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
	hits, found, more = fitted(s.core, hits, found, more)
	res := &b2bv1.SearchOrgMessagesResponse{Messages: found}
	if more {
		last := &hits[len(hits)-1]
		res.NextCursor = behindText(last.CreatedAt, last.MessageID)
	}
	return res, nil
}
