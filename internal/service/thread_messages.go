package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/mention"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// SendThreadMessage sends a message to a thread (B2B-MSG-020, B2B-MSG-021).
func (s *threadService) SendThreadMessage(ctx context.Context, req *b2bv1.SendThreadMessageRequest) (*b2bv1.SendThreadMessageResponse, error) {
	caller := call.CallerOf(ctx)
	contentType := textOr(req.ContentType, "text")
	d, metadata, draftErr := s.threadDraft(ctx, req)
	in := changeOptions{org: caller.OrgID, responseOrg: caller.OrgID, class: d.quotaClass(metadata)}
	return guardedIn(ctx, s.core, in, req, func(tx threadTx) (*b2bv1.SendThreadMessageResponse, error) {
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		settings, err := tx.OrgSettings(ctx, caller.OrgID)
		if err != nil {
			return nil, fmt.Errorf("read the org's settings: %w", err)
		}
		if !permittedBy(settings.DefaultThreadPermissionPolicy, t, p, thread.ActionWrite) {
			return nil, errWriteDenied(t)
		}
		replyTo, err := repliedMessage(ctx, tx, t.ID, req.ReplyTo)
		if err != nil {
			return nil, err
		}
		if draftErr != nil {
			return nil, draftErr
		}
		marks := marksOf(req)
		turn := isTurn(caller, marks)
		if turn {
			if err := s.checkTurn(ctx, tx, t, settings); err != nil {
				return nil, err
			}
		}
		if err := s.takeMessage(ctx, tx, settings); err != nil {
			return nil, err
		}
		if turn {
			if err := s.takeTurn(ctx, tx, t, settings); err != nil {
				return nil, err
			}
		}
		row := store.ThreadMessageRow{SenderName: &caller.BotName, ReplyTo: replyTo, ThreadMessage: store.ThreadMessage{
			ID: newID(), ThreadID: t.ID, SenderID: &caller.BotID, Content: d.content, ContentType: contentType,
			Parts: d.parts, Metadata: metadata, ReplyToID: req.ReplyTo, CreatedAt: s.nowMS(), Marks: marks,
		}}
		named, here, err := setMentions(ctx, tx, &row.ThreadMessage)
		if err != nil {
			return nil, err
		}
		deadline, err := s.newDeadline(ctx, tx, req, store.MemberOfThread, t.ID)
		if err != nil {
			return nil, err
		}
		message, err := s.postToThread(ctx, tx, &posting{row: &row, draft: d, turn: turn, receipts: req.GetReceipts(), deadline: deadline})
		if err != nil {
			return nil, err
		}
		recipients, err := s.threadRecipients(ctx, tx, t.ID, named, here, replyTo)
		if err != nil {
			return nil, err
		}
		return &b2bv1.SendThreadMessageResponse{Message: withRecipients(message, recipients)}, keepDeadline(ctx, tx, deadline, message.Id, recipients)
	})
}

// threadDraft makes the checks of a thread message that need no state: of the content type, the
// parts, the content and its length, then the metadata.
func (s *threadService) threadDraft(ctx context.Context, req *b2bv1.SendThreadMessageRequest) (*draft, *string, error) {
	if err := call.InTurn(req); err != nil {
		return nil, nil, err
	}
	d, err := s.newDraft(req.Content, req.Parts)
	if err != nil {
		return nil, nil, err
	}
	if d.tooLong != nil {
		return nil, nil, d.tooLong
	}
	metadata, err := messageMetadata(req.Metadata, call.CallerOf(ctx).Session)
	return d, metadata, err
}

// repliedMessage finds the message of the same thread that reply_to names (B2B-MSG-040,
// B2B-MSG-041); nil when reply_to is absent.
func repliedMessage(ctx context.Context, tx threadTx, threadID string, id *string) (*store.RepliedMessage, error) {
	if id == nil {
		return nil, nil
	}
	parent, err := tx.ThreadMessage(ctx, threadID, *id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, call.NotFound("reply_to: message").WithStatus(400)
	case err != nil:
		return nil, fmt.Errorf("look up the message that is replied to: %w", err)
	}
	return &store.RepliedMessage{
		ID: parent.ID, SenderID: parent.SenderID, SenderName: parent.SenderName, Content: parent.Content, CreatedAt: parent.CreatedAt,
	}, nil
}

// storedMention is the stored form of a mention.
type storedMention struct {
	BotID string `json:"bot_id"`
	Name  string `json:"name"`
}

// setMentions sets the current participants that the content of a message mentions (B2B-MSG-030 to
// 035). It returns what the content mentions, and the participants if it may mention any.
func setMentions(ctx context.Context, tx threadTx, m *store.ThreadMessage) (found mention.Found, rows []store.ParticipantRow, err error) {
	if !strings.Contains(m.Content, "@") {
		return found, nil, nil
	}
	rows, err = tx.Participants(ctx, m.ThreadID, limits.MaxParticipants)
	if err != nil {
		return found, nil, fmt.Errorf("list participants for mentions: %w", err)
	}
	here := make([]mention.Participant, len(rows))
	for i := range rows {
		here[i] = mention.Participant{ID: rows[i].BotID, Name: rows[i].Name}
	}
	found = mention.Scan(m.Content, here)
	m.MentionAll = found.All
	if len(found.Mentions) == 0 {
		return found, rows, nil
	}
	kept := make([]storedMention, len(found.Mentions))
	for i, f := range found.Mentions {
		kept[i] = storedMention{BotID: f.ID, Name: f.Name}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return found, nil, fmt.Errorf("marshal mentions: %w", err)
	}
	mentions := string(text)
	m.Mentions = &mentions
	return found, rows, nil
}

// posting is a thread message that was checked.
type posting struct {
	row            *store.ThreadMessageRow
	draft          *draft
	turn, receipts bool
	deadline       *store.Deadline // nil: none
}

// postToThread emits the event of a checked message, stores it, counts it in its thread, and writes
// the audit entry.
func (s *threadService) postToThread(ctx context.Context, tx threadTx, p *posting) (*b2bv1.ThreadMessage, error) {
	row := p.row
	message := new(threadMessageSlot).fill(row, p.draft.shown)
	message.Traceparent, message.Tracestate = cause(ctx)
	message.Receipts, message.DueAt = shownMark(p.receipts), dueOf(p.deadline)
	var err error
	row.EventSeq, err = s.emitMessage(ctx, tx, at(row.CreatedAt, toThread(row.ThreadID)), &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{
		ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: row.ThreadID, Message: message},
	}}, row.Parts)
	if err != nil {
		return nil, err
	}
	if err := tx.InsertThreadMessage(ctx, &row.ThreadMessage); err != nil {
		return nil, fmt.Errorf("store a thread message: %w", err)
	}
	if err := countMessage(ctx, tx, &row.ThreadMessage, p.turn); err != nil {
		return nil, err
	}
	org := call.CallerOf(ctx).OrgID
	details := detail{"thread_id": row.ThreadID}.via(ctx)
	err = s.audit(ctx, tx, org, actorBot(ctx), "message.send", "thread_message", row.ID, details)
	return message, err
}

// withRecipients returns a message as the response to its sender has it. The message itself belongs
// to its event, and shares its values with the copy.
func withRecipients(m *b2bv1.ThreadMessage, r *b2bv1.Recipients) *b2bv1.ThreadMessage {
	return &b2bv1.ThreadMessage{
		Id: m.Id, ThreadId: m.ThreadId, SenderId: m.SenderId, SenderName: m.SenderName, Content: m.Content, ContentType: m.ContentType,
		Parts: m.Parts, Mentions: m.Mentions, MentionAll: m.MentionAll, ReplyToId: m.ReplyToId, ReplyToMessage: m.ReplyToMessage,
		Metadata: m.Metadata, CreatedAt: m.CreatedAt, Traceparent: m.Traceparent, Tracestate: m.Tracestate,
		Automatic: m.Automatic, NoReply: m.NoReply, Receipts: m.Receipts, DueAt: m.DueAt, Recipients: r,
	}
}

// ListThreadMessages returns messages, paged by token or by time (B2B-MSG-050, B2B-MSG-051).
func (s *threadService) ListThreadMessages(ctx context.Context, req *b2bv1.ListThreadMessagesRequest) (*b2bv1.ListThreadMessagesResponse, error) {
	t, _, err := s.enter(ctx, s.reads, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Limit)
	if req.Cursor != nil {
		items, next, err := s.history(ctx, s.reads, t.ID, req.GetCursor(), limit)
		if err != nil {
			return nil, err
		}
		return &b2bv1.ListThreadMessagesResponse{Items: items, HasMore: next != nil, NextCursor: next, Paged: true}, nil
	}
	bound := pagetoken.Before(req.GetBefore())
	if bound.Kind == pagetoken.ByID { // before must be a number here; with anything else the list is empty
		return &b2bv1.ListThreadMessagesResponse{}, nil
	}
	items, next, err := s.newest(ctx, s.reads, t.ID, messageRange(bound, req.Since, limit))
	if err != nil {
		return nil, err
	}
	return &b2bv1.ListThreadMessagesResponse{Items: items, HasMore: next != nil, NextCursor: next}, nil
}

// history returns a page of messages older than the message beforeID, newest first. next is the id
// to continue from; nil: there are no more.
func (c *core) history(ctx context.Context, r historyReader, threadID, beforeID string, limit int) (items []*b2bv1.ThreadMessage, next *string, err error) {
	rows, err := r.ThreadHistory(ctx, threadID, beforeID, limit+1)
	if err != nil {
		return nil, nil, fmt.Errorf("page thread messages: %w", err)
	}
	rows, more := page(rows, limit)
	rows, items, more = cutToSize(c, rows, threadMessagesOut(rows), more)
	if more {
		next = &rows[len(rows)-1].ID
	}
	return items, next, nil
}

// newest returns the newest messages of a range, oldest first. next is the id of the oldest
// returned message when the response has no room for the older ones; otherwise nil.
func (c *core) newest(ctx context.Context, r historyReader, threadID string, of store.MessageRange) (items []*b2bv1.ThreadMessage, next *string, err error) {
	rows, err := r.ThreadMessages(ctx, threadID, of)
	if err != nil {
		return nil, nil, fmt.Errorf("list thread messages: %w", err)
	}
	rows, items, more := cutToSizeNewest(c, rows, threadMessagesOut(rows))
	if more {
		next = &rows[0].ID
	}
	return items, next, nil
}

// threadMessageSlot holds a message and the objects it points to, so that a list needs few
// allocations.
type threadMessageSlot struct {
	message b2bv1.ThreadMessage
	at      timestamppb.Timestamp
	text    textSlot
}

// fill sets the message of a row. shown are its parts; if nil, they are read from the row.
func (s *threadMessageSlot) fill(row *store.ThreadMessageRow, shown []*b2bv1.Part) *b2bv1.ThreadMessage {
	m := &s.message
	m.Id, m.ThreadId, m.SenderId, m.SenderName = row.ID, row.ThreadID, row.SenderID, textOr(row.SenderName, unknownName)
	m.Content, m.ContentType = row.Content, row.ContentType
	m.Parts = s.text.parts(shown, row.Parts, &row.Content)
	m.Mentions, m.MentionAll = mentionsOut(row.Mentions), row.MentionAll
	m.ReplyToId = row.ReplyToID
	if r := row.ReplyTo; r != nil {
		m.ReplyToMessage = &b2bv1.ReplyPreview{
			Id: r.ID, SenderId: r.SenderID, SenderName: textOr(r.SenderName, unknownName), Content: r.Content, CreatedAt: stamp(r.CreatedAt),
		}
	}
	m.Metadata = shownMetadata(row.Metadata)
	setStamp(&s.at, row.CreatedAt)
	m.CreatedAt = &s.at
	m.Automatic, m.NoReply = shownMark(row.Automatic), shownMark(row.NoReply)
	return m
}

func threadMessagesOut(rows []store.ThreadMessageRow) []*b2bv1.ThreadMessage {
	slots := make([]threadMessageSlot, len(rows))
	out := make([]*b2bv1.ThreadMessage, len(rows))
	for i := range rows {
		out[i] = slots[i].fill(&rows[i], nil)
	}
	return out
}

// mentionsOut reads stored mentions. It returns none for an unreadable text.
func mentionsOut(stored *string) []*b2bv1.Mention {
	if stored == nil {
		return nil
	}
	var kept []storedMention
	if err := json.Unmarshal([]byte(*stored), &kept); err != nil {
		return nil
	}
	out := make([]*b2bv1.Mention, len(kept))
	for i, k := range kept {
		out[i] = &b2bv1.Mention{BotId: k.BotID, Name: k.Name}
	}
	return out
}
