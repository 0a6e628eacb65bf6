package a2apeer

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	mostArtifacts = 50
	mostPieces    = 200      // of a message or an artifact, once its chunks are joined
	mostHeld      = 32 << 20 // bytes of all artifacts of a task
	mostSaid      = 20       // messages beside that of the last status
	mostText      = 4 << 20  // bytes of the texts of a message
	mostID        = 512      // bytes of the id of a task, context or artifact
	staleLooks    = 5
)

// turn is what a message has brought about at the agent: its task as it is known so far, or an answer
// without a task.
type turn struct {
	task, context string
	state         a2a.TaskState
	status        []piece // what the last status says
	said          []piece // other messages of the agent
	reply         bool    // it answered without a task
	history       []*a2a.Message
	artifacts     []*artifact
	changes       int // grows with everything that is new

	sign  string // of the last status
	stale string // the sign of the status in which the task was before the message; empty: it is new
	bare  bool   // the status has neither a time nor a message
	looks int    // how often it was still that
	count int    // messages in said
}

// artifact is an artifact of a task, as far as it has come.
type artifact struct {
	id, name, description string
	pieces                []piece
}

func (a *artifact) size() (n int) {
	for _, p := range a.pieces {
		n += len(p.data)
	}
	return n
}

// news is what an event has brought.
type news struct {
	progress string    // what the agent does
	done     *artifact // that is complete
}

func terminal(s a2a.TaskState) bool { return s.Terminal() }

// waits reports whether a task in a state goes on when somebody answers.
func waits(s a2a.TaskState) bool {
	return s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}

// settled reports whether nothing more comes of the message. A task that was continued can be seen for
// a while in the state that it had before.
func (t *turn) settled() bool {
	return t.reply || terminal(t.state) || waits(t.state) && (!t.before() || t.looks >= staleLooks)
}

// before reports whether the task is as it was before the message. Agents take the message out of a
// status when the next one of the user comes.
func (t *turn) before() bool { return t.stale != "" && (t.sign == t.stale || t.bare) }

// looked counts how often the task was seen as it was before the message.
func (t *turn) looked() {
	if waits(t.state) && t.before() {
		t.looks++
	}
}

// apply takes up an event. Its error is errTooMuch, or that of content that cannot be read.
func (t *turn) apply(e a2a.Event) (n news, err error) {
	if m, ok := e.(*a2a.Message); ok {
		return n, t.hear(m)
	}
	info := e.TaskInfo()
	if info.TaskID == "" || len(info.TaskID) > mostID || len(info.ContextID) > mostID {
		return n, errors.New("the id of a task or context is missing or too long")
	}
	if t.task == "" {
		t.task, t.changes = string(info.TaskID), t.changes+1
	}
	if t.task != string(info.TaskID) {
		return n, nil // of another task
	}
	t.context = cmp.Or(info.ContextID, t.context)
	switch e := e.(type) {
	case *a2a.Task:
		return t.snapshot(e)
	case *a2a.TaskStatusUpdateEvent:
		return t.now(e.Status)
	case *a2a.TaskArtifactUpdateEvent:
		return t.grow(e)
	}
	return n, nil
}

// hear takes up a message of the agent: its answer, or something that it says beside its task.
func (t *turn) hear(m *a2a.Message) (err error) {
	if t.count++; t.count > mostSaid {
		return fmt.Errorf("%w: more than %d messages", errTooMuch, mostSaid)
	}
	if len(m.ContextID) > mostID {
		return errors.New("the id of a context is too long")
	}
	t.context, t.changes = cmp.Or(m.ContextID, t.context), t.changes+1
	t.reply = t.reply || t.task == "" && m.TaskID == ""
	t.said, err = appendPieces(t.said, m.Parts, "\n\n")
	return cmp.Or(err, tooLong(t.said))
}

func tooLong(pieces []piece) error {
	n := 0
	for _, p := range pieces {
		n += len(p.data)
	}
	if n > mostHeld || len(text(pieces)) > mostText {
		return fmt.Errorf("%w: a message of %d bytes", errTooMuch, n)
	}
	return nil
}

// snapshot takes up a task as a whole.
func (t *turn) snapshot(task *a2a.Task) (news, error) {
	t.history = task.History
	for _, a := range task.Artifacts {
		if a == nil {
			continue
		}
		if _, err := t.put(a, false); err != nil {
			return news{}, err
		}
	}
	return t.now(task.Status)
}

// now takes up a status.
func (t *turn) now(s a2a.TaskStatus) (n news, err error) {
	if len(s.State) > mostWord {
		return n, errors.New("the state of a task is too long")
	}
	sign := string(s.State)
	if s.Timestamp != nil {
		sign += s.Timestamp.UTC().String()
	}
	t.status, t.bare = nil, s.Timestamp == nil && s.Message == nil
	if s.Message != nil {
		if s.Timestamp == nil {
			sign += cut(s.Message.ID, mostID)
		}
		if t.status, err = appendPieces(nil, s.Message.Parts, "\n\n"); err != nil {
			return n, err
		}
		if err := tooLong(t.status); err != nil {
			return n, err
		}
	}
	if sign != t.sign {
		t.changes++
	}
	t.state, t.sign = s.State, sign
	if !terminal(s.State) && !waits(s.State) {
		n.progress = text(t.status)
	}
	return n, nil
}

// grow takes up an artifact or a chunk of one.
func (t *turn) grow(e *a2a.TaskArtifactUpdateEvent) (n news, err error) {
	if e.Artifact == nil {
		return n, errors.New("an update of an artifact has none")
	}
	t.changes++
	a, err := t.put(e.Artifact, e.Append)
	if err == nil && e.LastChunk {
		n.done = a
	}
	return n, err
}

// put replaces an artifact, or adds to it.
func (t *turn) put(from *a2a.Artifact, add bool) (*artifact, error) {
	if from.ID == "" || len(from.ID) > mostID {
		return nil, errors.New("the id of an artifact is missing or too long")
	}
	var a *artifact
	held := 0
	for _, other := range t.artifacts {
		if other.id == string(from.ID) {
			a = other
		}
		held += other.size()
	}
	if a == nil {
		if len(t.artifacts) == mostArtifacts {
			return nil, fmt.Errorf("%w: more than %d artifacts", errTooMuch, mostArtifacts)
		}
		a = &artifact{id: string(from.ID)}
		t.artifacts = append(t.artifacts, a)
	}
	a.name = cmp.Or(clean(from.Name, 256), a.name)
	a.description = cmp.Or(clean(from.Description, 1024), a.description)
	before := a.size()
	if !add {
		a.pieces = nil
	}
	var err error
	if a.pieces, err = appendPieces(a.pieces, from.Parts, ""); err != nil {
		return nil, err
	}
	if held-before+a.size() > mostHeld {
		return nil, fmt.Errorf("%w: artifacts of more than %d MiB", errTooMuch, mostHeld>>20)
	}
	return a, nil
}

// last returns what the agent says at the end of the turn: the message of the last status, and what it
// said beside its task; if there is neither, nor an artifact, its newest message after ours.
func (t *turn) last(ours string) ([]piece, error) {
	all := append(append([]piece{}, t.said...), t.status...)
	if len(all) > 0 || len(t.artifacts) > 0 {
		return all, nil
	}
	for i := len(t.history) - 1; i >= 0; i-- {
		m := t.history[i]
		switch {
		case m == nil:
		case m.ID == ours || m.Role == a2a.MessageRoleUser:
			return nil, nil
		default:
			pieces, err := appendPieces(nil, m.Parts, "\n\n")
			if err == nil && strings.TrimSpace(text(pieces)) == "" && len(pieces) == 0 {
				continue
			}
			return pieces, cmp.Or(err, tooLong(pieces))
		}
	}
	return nil, nil
}
