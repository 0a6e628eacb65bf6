package a2a

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The tags of a thread that is a task. Tags of a thread do not change.
const (
	tagTask    = "a2a"
	tagAgent   = "a2a-agent:"   // with the id of the bot that works on it
	tagContext = "a2a-context:" // with the context that the client named
)

const (
	mostHistory   = 100     // messages that are returned with a task, the newest
	mostArtifacts = 500     // of a task
	mostBytes     = 2 << 20 // of the messages of a task in a response, and of the content of its artifacts
	// mostPosted is for the content of artifacts in a notification, which receivers must hold.
	mostPosted = 256 << 10
)

// caller is who makes a request, and of which agent.
type caller struct {
	places
	id      string     // of the bot that calls
	name    string     // of the agent
	bot     *b2bv1.Bot // the agent
	refused *refusal   // of the call that served the request; nil: none
	empty   bool       // the request was served, and its result is empty
}

// owns reports whether a thread is a task that the caller gave the agent.
func (c *caller) owns(t *b2bv1.Thread) bool {
	return t.GetInitiatorId() == c.id && slices.Contains(t.GetTags().GetValues(), tagAgent+c.agent)
}

// contextOf returns the context of a task: the one that the client named, or else the id of the thread.
func contextOf(t *b2bv1.Thread) string {
	for _, tag := range t.GetTags().GetValues() {
		if id, ok := strings.CutPrefix(tag, tagContext); ok {
			return id
		}
	}
	return t.GetId()
}

// view is what was read of a task.
type view struct {
	thread   *b2bv1.Thread
	messages []*b2bv1.ThreadMessage // newest first
	task     *a2a.Task              // with its history, oldest first, and without artifacts
}

// thread returns a thread that is a task of the caller.
func (h *Handler) thread(ctx context.Context, c *caller, id a2a.TaskID) (*b2bv1.Thread, error) {
	res, err := h.client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: string(id)})
	if err != nil {
		return nil, errorOf(err)
	}
	if t := res.GetThread(); c.owns(t) {
		return t, nil
	}
	return nil, errNotFound(id)
}

// read reads a task with at most so many of its newest messages.
func (h *Handler) read(ctx context.Context, c *caller, id a2a.TaskID, history int) (*view, error) {
	t, err := h.thread(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return h.viewOf(ctx, c, t, history)
}

// enough is how many of the newest messages are read to find out whose turn it is, and whether anybody
// has answered.
const enough = 20

func (h *Handler) viewOf(ctx context.Context, c *caller, t *b2bv1.Thread, history int) (*view, error) {
	res, err := h.client.Threads.ListThreadMessages(ctx, &b2bv1.ListThreadMessagesRequest{
		ThreadId: t.GetId(), Cursor: proto.String(""), Limit: proto.Int32(int32(max(history, enough))),
	})
	if err != nil {
		return nil, errorOf(err)
	}
	v := &view{thread: t, messages: res.GetItems()}
	f := facts{status: t.GetStatus(), reason: t.GetCloseReason(), spoken: res.GetHasMore()}
	task := &a2a.Task{ID: a2a.TaskID(t.GetId()), ContextID: contextOf(t), Metadata: map[string]any{"topic": t.GetTopic()}}
	size := 0
	for i, m := range v.messages {
		who := c.turnOf(m)
		if i == 0 {
			f.turn = who
		}
		f.spoken = f.spoken || who != turnCaller
		if task.Status.Message == nil && who != turnCaller {
			task.Status.Message = c.messageOf(m, task)
		}
		if size += proto.Size(m); i < history && (i == 0 || size <= mostBytes) {
			task.History = append(task.History, c.messageOf(m, task))
		}
	}
	slices.Reverse(task.History)
	if f.status == b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED {
		if f.approval, err = h.approvalAsked(ctx, t.GetId()); err != nil {
			return nil, err
		}
	}
	at := changedAt(t)
	task.Status.State, task.Status.Timestamp = stateOf(f), &at
	v.task = task
	return v, nil
}

// changedAt is when a task was last changed, to the millisecond.
func changedAt(t *b2bv1.Thread) time.Time {
	at := t.GetUpdatedAt().AsTime()
	if last := t.GetLastActivityAt().AsTime(); last.After(at) {
		at = last
	}
	return at.UTC().Truncate(time.Millisecond)
}

// approvalAsked reports whether a thread waits for an approval.
func (h *Handler) approvalAsked(ctx context.Context, thread string) (bool, error) {
	res, err := h.client.Decisions.ListDecisions(ctx, &b2bv1.ListDecisionsRequest{
		ThreadId: &thread, Status: b2bv1.DecisionStatus_DECISION_STATUS_OPEN.Enum(), Limit: proto.Int32(enough),
	})
	if err != nil {
		return false, errorOf(err)
	}
	return slices.ContainsFunc(res.GetItems(), func(d *b2bv1.Decision) bool {
		return d.GetBlocks() && d.GetKind() == b2bv1.DecisionKind_DECISION_KIND_APPROVE
	}), nil
}

// artifacts returns the artifacts of a task in their newest versions, at most mostArtifacts. Content for
// which there is no room, in bytes, is left out, and counted in the metadata.
func (h *Handler) artifacts(ctx context.Context, c *caller, thread string, room int) ([]*a2a.Artifact, error) {
	out := []*a2a.Artifact{}
	req := &b2bv1.ListArtifactsRequest{ThreadId: thread, Limit: proto.Int32(100)}
	for {
		res, err := h.client.Artifacts.ListArtifacts(ctx, req)
		if err != nil {
			return nil, errorOf(err)
		}
		for _, a := range res.GetArtifacts() {
			size := len(a.GetContent())
			left := size > room
			if left {
				a.Content = proto.String("")
			} else {
				room -= size
			}
			shown := c.artifactOf(a)
			if left {
				shown.Metadata["left_out"] = size
			}
			out = append(out, shown)
		}
		if res.NextCursor == nil || len(out) >= mostArtifacts {
			return out, nil
		}
		req.Cursor = res.NextCursor
	}
}

// historyOf returns how many messages a request asks for; absent: as many as there are, within the limit.
func historyOf(n *int) (int, error) {
	switch {
	case n == nil:
		return mostHistory, nil
	case *n < 0:
		return 0, invalid("historyLength: must not be negative")
	}
	return min(*n, mostHistory), nil
}
