package a2apeer

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/state"
)

// mostTasks is how many threads and channels are remembered. Those used longest ago are forgotten.
const mostTasks = 2_000

// messageIDs is the namespace of the ids of messages.
var messageIDs = uuid.MustParse("0d1d9d9a-0a3e-5f0b-9a54-2f6f3c7a1e52")

// entry is what is known of a thread or channel at the agent.
type entry struct {
	Context string        `json:"context,omitempty"`
	Task    string        `json:"task,omitempty"` // the newest one
	State   a2a.TaskState `json:"state,omitempty"`
	// Subject is the message here that was sent last, or is about to be. Again counts how often it was
	// begun anew.
	Subject string `json:"subject,omitempty"`
	Again   int    `json:"again,omitempty"`
	// Sent says that it may have been sent, and Got that Task is its task. Continues says that it goes on
	// with Task, which had the status Before.
	Sent      bool   `json:"sent,omitempty"`
	Got       bool   `json:"got,omitempty"`
	Continues bool   `json:"continues,omitempty"`
	Before    string `json:"before,omitempty"`
	// Blocked says that the runner has set the thread to blocked.
	Blocked bool `json:"blocked,omitempty"`
	// Written has the hash of each artifact that was written of the task, by its key.
	Written map[string]string `json:"written,omitempty"`
	Used    time.Time         `json:"used"`
}

// messageID returns the id of the message at the agent, the same in each attempt.
func (e *entry) messageID() string {
	return uuid.NewSHA1(messageIDs, []byte(e.Subject+"/"+strconv.Itoa(e.Again))).String()
}

// begin makes a message the one in hand. first says that the message is handed out for the first time: if
// its task has failed, it was handed out anew so that it is tried again.
func (e *entry) begin(subject string, first bool) {
	switch {
	case e.Subject != subject:
		e.Subject, e.Again = subject, 0
		e.forget()
	case first && e.Got && terminal(e.State) && e.State != a2a.TaskStateCompleted:
		e.again()
	}
}

// again makes the next attempt a message of its own.
func (e *entry) again() {
	e.Again++
	e.forget()
}

func (e *entry) forget() { e.Sent, e.Got, e.Continues, e.Before = false, false, false, "" }

// Tasks keeps the tasks of threads and channels in a file, so that they outlive the runner.
type Tasks struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	all  map[string]entry
	busy map[string]chan struct{} // closed when a thread or channel is free
}

// OpenTasks reads the tasks of a file, which need not exist.
func OpenTasks(path string, now func() time.Time) (*Tasks, error) {
	all, err := state.Read[entry](path)
	switch {
	case errors.Is(err, state.ErrDamaged):
		return nil, fmt.Errorf("read the tasks of the agent: %s: %w; remove it to begin new ones", path, err)
	case err != nil:
		return nil, fmt.Errorf("read the tasks of the agent: %w", err)
	}
	return &Tasks{path: path, now: now, all: all, busy: map[string]chan struct{}{}}, nil
}

// of returns what is known of a thread or channel.
func (t *Tasks) of(scope string) entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.all[scope]
	e.Written = maps.Clone(e.Written)
	return e
}

// keep stores what is known of a thread or channel.
func (t *Tasks) keep(scope string, e entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Used, e.Written = t.now().UTC(), maps.Clone(e.Written)
	t.all[scope] = e
	if err := state.Write(t.path, t.all, mostTasks, func(e entry) time.Time { return e.Used }); err != nil {
		return fmt.Errorf("store the tasks of the agent: %w", err)
	}
	return nil
}
