package a2a

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// changing are the types of events after which a task may be another.
var changing = []string{
	"thread_message", "thread_artifact", "thread_status_changed", "thread_updated", "thread_participant",
	"decision_asked", "decision_closed",
}

// SendMessage implements a2asrv.RequestHandler. It returns when the agent has answered, needs something
// or has ended the task, or after some time with the task as it is (B2B-A2A-011).
func (h *Handler) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	c := callerOf(ctx)
	history, err := historyWith(req.Config)
	if err != nil {
		return nil, err
	}
	t, err := h.send(ctx, c, req)
	if err != nil {
		return nil, err
	}
	id := a2a.TaskID(t.GetId())
	if req.Config == nil || !req.Config.ReturnImmediately {
		wait, cancel := context.WithTimeout(ctx, h.wait)
		defer cancel()
		err := h.changes(wait, c, id, func(bool) (bool, error) {
			v, err := h.settled(wait, c, id, 0)
			return err == nil && !interrupted(v.task.Status.State), err
		})
		if err != nil && wait.Err() == nil { // the message is sent, so the task is returned as it is
			h.log.WarnContext(ctx, "an A2A client could not wait for its task", "task", id, "code", b2b.EnumText(b2b.CodeOf(err)))
		}
	}
	return h.whole(ctx, c, id, history)
}

func historyWith(config *a2a.SendMessageConfig) (int, error) {
	if config == nil {
		return mostHistory, nil
	}
	return historyOf(config.HistoryLength)
}

// whole reads a task with its artifacts.
func (h *Handler) whole(ctx context.Context, c *caller, id a2a.TaskID, history int) (*a2a.Task, error) {
	v, err := h.read(ctx, c, id, history)
	if err != nil {
		return nil, err
	}
	v.task.Artifacts, err = h.artifacts(ctx, c, string(id), mostBytes)
	return v.task, err
}

// pause is how long an agent may take from its answer to the status that it then gives the thread. These
// are two calls, and a client should not take the answer for a question.
const pause = 300 * time.Millisecond

// early returns how long the agent may still take for a status after its answer; 0: no longer, or it has
// not just answered.
func (v *view) early() time.Duration {
	if v.task.Status.State != a2a.TaskStateInputRequired || v.thread.GetStatus() == b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED {
		return 0
	}
	left := pause - time.Since(v.messages[0].GetCreatedAt().AsTime())
	return max(0, min(left, pause)) // the clock of another node may be ahead
}

// settled reads a task; if the agent has just answered, after the pause.
func (h *Handler) settled(ctx context.Context, c *caller, id a2a.TaskID, history int) (*view, error) {
	v, err := h.read(ctx, c, id, history)
	if err != nil {
		return nil, err
	}
	left := v.early()
	if left == 0 {
		return v, nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return h.read(ctx, c, id, history)
	case <-ctx.Done():
		return v, nil
	}
}

// errGone is the error of a client that takes no more events.
var errGone = errors.New("a2a: the client takes no more events")

// mostStreams is how often a stream of events is opened for one request: it ends when its server stops.
const mostStreams = 10

// changes calls look once when it watches a task, and then after each event that may have changed it and
// with each heartbeat, until look returns false or an error, the agent is gone, or ctx ends. artifacts
// reports whether the artifacts may be others.
func (h *Handler) changes(ctx context.Context, c *caller, id a2a.TaskID, look func(artifacts bool) (more bool, err error)) error {
	var position *string
	for opened := 1; ; opened++ {
		stream, err := h.client.Events.Subscribe(ctx, &b2bv1.SubscribeRequest{
			Cursor: position, Types: changing, ThreadIds: []string{string(id)},
		})
		if err != nil {
			return err
		}
		for first := true; stream.Receive(); first = false {
			item := stream.Msg()
			if item.Cursor != nil {
				position = proto.String(item.GetCursor())
			}
			if item.Event == nil && !first {
				if _, err := h.client.Bots.GetBot(ctx, &b2bv1.GetBotRequest{Id: c.agent}); err != nil {
					return errors.Join(err, stream.Close())
				}
			}
			if more, err := look(first || item.GetEvent().GetThreadArtifact() != nil); err != nil || !more {
				return errors.Join(err, stream.Close())
			}
		}
		err = errors.Join(stream.Err(), stream.Close())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if d := b2b.DetailOf(err); position == nil || opened == mostStreams || err != nil && (d == nil || !d.GetRetryable()) {
			return err
		}
	}
}

// SendStreamingMessage implements a2asrv.RequestHandler: the task, and then what changes, until the task
// waits for the client or has ended (B2B-A2A-012).
func (h *Handler) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		c := callerOf(ctx)
		history, err := historyWith(req.Config)
		if err != nil {
			yield(nil, err)
			return
		}
		t, err := h.send(ctx, c, req)
		if err != nil {
			yield(nil, err)
			return
		}
		h.stream(ctx, c, a2a.TaskID(t.GetId()), history, false, yield)
	}
}

// SubscribeToTask implements a2asrv.RequestHandler: the task, and then what changes. For a task that has
// ended there is nothing to subscribe to.
func (h *Handler) SubscribeToTask(ctx context.Context, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		c := callerOf(ctx)
		v, err := h.read(ctx, c, req.ID, 0)
		if err == nil && v.task.Status.State.Terminal() {
			err = a2a.NewError(a2a.ErrUnsupportedOperation, "the task has ended: "+string(v.task.Status.State))
		}
		if err != nil {
			yield(nil, err)
			return
		}
		h.stream(ctx, c, req.ID, mostHistory, true, yield)
	}
}

// stream sends a task and its changes. With patient, a task that waits for the client at first does not
// end the stream.
func (h *Handler) stream(
	ctx context.Context, c *caller, id a2a.TaskID, history int, patient bool, yield func(a2a.Event, error) bool,
) {
	var w *watch
	var known []*a2a.Artifact
	err := h.changes(ctx, c, id, func(artifacts bool) (bool, error) {
		v, err := h.settled(ctx, c, id, mostHistory)
		if err != nil {
			return false, err
		}
		if artifacts || interrupted(v.task.Status.State) { // the last look, and the event of an artifact may be on its way
			if known, err = h.artifacts(ctx, c, string(id), mostBytes); err != nil {
				return false, err
			}
		}
		v.task.Artifacts = known
		if w == nil {
			w = &watch{c: c, patient: patient}
			w.keep(v)
			task := *v.task
			task.History = task.History[max(0, len(task.History)-history):]
			if !yield(&task, nil) {
				return false, errGone
			}
			return w.goesOn(v.task.Status.State), nil
		}
		for _, e := range w.news(v) {
			if !yield(e, nil) {
				return false, errGone
			}
		}
		return w.goesOn(v.task.Status.State), nil
	})
	if err != nil && !errors.Is(err, errGone) && ctx.Err() == nil {
		yield(nil, errorOf(err))
	}
}

// watch is what a client that streams a task has got.
type watch struct {
	c        *caller
	patient  bool
	state    a2a.TaskState
	newest   string // id of the newest message
	at       time.Time
	versions map[a2a.ArtifactID]any // of the artifacts
}

func (w *watch) keep(v *view) {
	w.state = v.task.Status.State
	if len(v.messages) > 0 {
		w.newest, w.at = v.messages[0].GetId(), v.messages[0].GetCreatedAt().AsTime()
	}
	w.versions = map[a2a.ArtifactID]any{}
	for _, a := range v.task.Artifacts {
		w.versions[a.ID] = a.Metadata["version"]
	}
}

// goesOn reports whether the stream goes on with a task in a state.
func (w *watch) goesOn(s a2a.TaskState) bool {
	if !interrupted(s) {
		w.patient = false
		return true
	}
	return w.patient && !s.Terminal()
}

// news returns what the client has not got of a task: artifacts first, then what others wrote, the last
// with the state of the task.
func (w *watch) news(v *view) (events []a2a.Event) {
	task := v.task
	for _, a := range task.Artifacts {
		if had, ok := w.versions[a.ID]; !ok || had != a.Metadata["version"] {
			events = append(events, &a2a.TaskArtifactUpdateEvent{TaskID: task.ID, ContextID: task.ContextID, Artifact: a, LastChunk: true})
		}
	}
	var said []*a2a.Message
	for _, m := range v.messages {
		if m.GetId() == w.newest || m.GetCreatedAt().AsTime().Before(w.at) { // it may have been deleted
			break
		}
		if w.c.turnOf(m) != turnCaller {
			said = append(said, w.c.messageOf(m, task))
		}
	}
	slices.Reverse(said)
	for i, m := range said {
		status := a2a.TaskStatus{State: a2a.TaskStateWorking, Message: m, Timestamp: task.Status.Timestamp}
		if i == len(said)-1 {
			status.State = task.Status.State
		}
		events = append(events, &a2a.TaskStatusUpdateEvent{TaskID: task.ID, ContextID: task.ContextID, Status: status})
	}
	if len(said) == 0 && w.state != task.Status.State {
		events = append(events, &a2a.TaskStatusUpdateEvent{TaskID: task.ID, ContextID: task.ContextID, Status: task.Status})
	}
	w.patient = w.patient && len(said) == 0 && w.state == task.Status.State
	w.keep(v)
	return events
}
