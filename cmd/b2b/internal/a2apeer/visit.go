package a2apeer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// visit is one item at the agent.
type visit struct {
	p        *Peer
	j        *runner.Job
	scope    string
	place    place
	entry    entry
	turn     turn
	progress chan string // the newest text
	parts    a2a.ContentParts
	poll     bool // the agent has no subscriptions
	anew     bool // the agent did not take the context of before
	notes    []string
	keys     []string // of the artifacts that were written
}

// run sends the item and follows its task until nothing more comes of it.
func (v *visit) run(ctx context.Context) (*runner.Answer, error) {
	var err error
	if v.parts, err = partsOf(v.j.Item, v.p.Prompt); err != nil {
		return nil, &runner.Failure{Reason: "the attachments could not be read", Err: err}
	}
	if len(v.parts) == 0 {
		return &runner.Answer{}, nil
	}
	switch err := v.place.open(ctx); {
	case errors.Is(err, errThreadEnded):
		return nil, &runner.Failure{Reason: err.Error(), Final: true, Err: err}
	case err != nil:
		return nil, &runner.Failure{Reason: "the thread could not be read", Err: err}
	}
	v.entry.begin(subjectOf(v.j.Item), v.j.Delivery.GetAttempt() <= 1)
	pause, reached := firstPause, time.Now()
	for {
		seen := v.turn.changes
		err := v.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && !temporary(err):
			return nil, err
		case v.turn.settled():
			return v.answer(ctx)
		case err == nil || v.turn.changes != seen:
			reached = time.Now()
		case time.Since(reached) > patience:
			return nil, err
		}
		if err != nil {
			v.j.Log.Warn("the agent was not reached", "task", v.turn.task, "error", brief(err))
		}
		if v.turn.changes != seen {
			pause = firstPause
		}
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, longestPause)
	}
}

// subjectOf returns what an item is about: each message or question is sent to the agent once.
func subjectOf(i *runner.Item) string {
	switch d := i.Decision(); {
	case i.Message != "":
		return i.Message
	case d != nil:
		return d.GetId()
	}
	return i.Delivery.GetId()
}

// step makes one connection: it finds or begins the task of the item, or follows it.
func (v *visit) step(ctx context.Context) error {
	if v.turn.task == "" {
		task, err := v.find(ctx)
		switch {
		case err != nil:
			return err
		case task == nil:
			return v.send(ctx)
		}
		v.j.Log.Info("the task goes on", "task", task.ID, "state", task.Status.State)
		return v.see(ctx, task)
	}
	task, err := v.p.Agent.get(ctx, v.turn.task)
	if err != nil {
		return err
	}
	if err := v.see(ctx, task); err != nil {
		return err
	}
	if v.turn.looked(); v.turn.settled() || v.poll || !v.p.Agent.streaming {
		return nil
	}
	err = v.follow(ctx, v.p.Agent.subscribe(ctx, v.turn.task))
	if answered(err) { // it says that it cannot: then it is asked again and again
		v.poll, err = true, nil
	}
	return err
}

// find returns the task that an earlier attempt has begun with the item, or gone on with; nil: none.
func (v *visit) find(ctx context.Context) (*a2a.Task, error) {
	e := &v.entry
	if !e.Sent {
		return nil, nil
	}
	if e.Task == "" || !e.Got && !e.Continues {
		return v.p.Agent.find(ctx, e.Context, e.messageID())
	}
	task, err := v.p.Agent.get(ctx, e.Task)
	switch {
	case errors.Is(err, a2a.ErrTaskNotFound):
		e.Task, e.State, e.Continues = "", "", false
		return nil, nil
	case err != nil:
		return nil, err
	case e.Got, hasMessage(task, e.messageID()), !waits(task.Status.State):
		v.turn.stale = e.Before
		return task, nil
	}
	return nil, nil
}

// send sends the item: to the task that waits for it, or as a new task in the same context.
func (v *visit) send(ctx context.Context) error {
	e := &v.entry
	m := a2a.NewMessage(a2a.MessageRoleUser, v.parts...)
	m.ID, m.ContextID = e.messageID(), e.Context
	e.Continues, e.Before = false, ""
	if waits(e.State) && e.Task != "" {
		task, err := v.p.Agent.get(ctx, e.Task)
		switch {
		case errors.Is(err, a2a.ErrTaskNotFound):
			e.Task = ""
		case err != nil:
			return err
		case waits(task.Status.State):
			var was turn
			if _, err := was.now(task.Status); err != nil {
				return err
			}
			m.TaskID, e.Continues, e.Before = task.ID, true, was.sign
			v.turn.stale = was.sign
		}
	}
	if e.Task != "" && !e.Continues {
		m.ReferenceTasks = []a2a.TaskID{a2a.TaskID(e.Task)}
	}
	if err := v.goOn(ctx); err != nil {
		return err
	}
	e.Sent, e.Got = true, false
	if err := v.save(); err != nil {
		return err
	}
	v.j.Log.Info("sending", "message", m.ID, "task", m.TaskID, "context", m.ContextID)
	err := v.follow(ctx, v.p.Agent.send(ctx, m))
	if v.turn.task == "" && !v.anew && (m.ContextID != "" || m.TaskID != "") &&
		is(err, a2a.ErrInvalidParams, a2a.ErrInvalidRequest, a2a.ErrTaskNotFound, a2a.ErrUnsupportedOperation) {
		v.j.Log.Warn("the agent did not take the context, a new one begins", "error", brief(err))
		v.anew = true
		v.entry = entry{Subject: e.Subject, Again: e.Again}
		return v.send(ctx)
	}
	return err
}

// goOn sets a thread to active that the runner has blocked, because the task goes on.
func (v *visit) goOn(ctx context.Context) error {
	if !v.entry.Blocked {
		return nil
	}
	v.entry.Blocked = false
	if _, err := v.place.set(ctx, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, v.entry.messageID()); err != nil {
		return &runner.Failure{Reason: "the thread could not be set to active", Err: err}
	}
	return nil
}

// follow takes up events until they end, or nothing more comes of the item.
func (v *visit) follow(ctx context.Context, events iter.Seq2[a2a.Event, error]) error {
	empty := true
	for event, err := range events {
		if err != nil {
			return err
		}
		empty = false
		if err := v.see(ctx, event); err != nil {
			return err
		}
		if v.turn.settled() {
			return nil
		}
	}
	if empty && v.turn.task == "" {
		return errors.New("the agent ended the response without a task or a message")
	}
	return nil
}

// see takes up an event: it passes the progress on, and writes the artifacts that are complete.
func (v *visit) see(ctx context.Context, event a2a.Event) error {
	n, err := v.turn.apply(event)
	if err != nil {
		return err
	}
	e, t := &v.entry, &v.turn
	if !e.Got || e.Task != t.task || e.State != t.state || e.Context != t.context && t.context != "" {
		if e.Task != t.task {
			e.Written = nil
		}
		e.Got, e.Task, e.State = true, t.task, t.state
		if t.context != "" {
			e.Context = t.context
		}
		if err := v.save(); err != nil {
			return err
		}
		v.j.Log.Info("the agent works", "task", t.task, "state", t.state)
	}
	if n.progress != "" {
		select {
		case <-v.progress: // that one is old
		default:
		}
		v.progress <- n.progress // there is room: nobody else sends
	}
	if n.done != nil && v.place.thread != "" {
		return v.write(ctx, n.done)
	}
	return nil
}

// write writes an artifact into the thread, as far as it is not there yet.
func (v *visit) write(ctx context.Context, a *artifact) error {
	for _, o := range a.outputs() {
		of := a.id + "\x00" + o.key
		hash := o.hash()
		if v.entry.Written[of] == hash {
			continue
		}
		key, err := v.place.put(ctx, o, v.turn.task+"\x00"+a.id, v.entry.messageID())
		if unstorable(err) {
			v.note("The artifact %s could not be stored (%s).", o.key, b2b.EnumText(b2b.CodeOf(err)))
			continue
		}
		if err != nil {
			return &runner.Failure{Reason: "the artifacts of the agent could not be stored", Err: err}
		}
		if v.entry.Written == nil {
			v.entry.Written = map[string]string{}
		}
		v.entry.Written[of] = hash
		v.keys = append(v.keys, key)
	}
	return v.save()
}

func (v *visit) note(format string, args ...any) {
	if len(v.notes) < mostArtifacts {
		v.notes = append(v.notes, fmt.Sprintf(format, args...))
	}
}

func (v *visit) save() error {
	if err := v.p.Tasks.keep(v.scope, v.entry); err != nil {
		return &runner.Failure{Reason: "the runner could not store its state", Err: err}
	}
	return nil
}
