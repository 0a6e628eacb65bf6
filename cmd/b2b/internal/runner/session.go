package runner

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/state"
)

// Session is the conversation that a command has about a thread or channel.
type Session struct {
	ID string `json:"id"`
	// Resumed reports whether the command was run with it before.
	Resumed bool `json:"resumed"`
}

// mostSessions is how many sessions are kept. The ones used longest ago are forgotten.
const mostSessions = 10_000

// Sessions keeps the sessions of threads and channels in a file, so that they outlive the runner.
type Sessions struct {
	path string
	now  func() time.Time

	mu  sync.Mutex
	all map[string]kept
}

type kept struct {
	ID   string    `json:"id"`
	Used time.Time `json:"used"`
}

// OpenSessions reads the sessions of a file, which need not exist.
func OpenSessions(path string, now func() time.Time) (*Sessions, error) {
	all, err := state.Read[kept](path)
	switch {
	case errors.Is(err, state.ErrDamaged):
		return nil, fmt.Errorf("read the sessions: %s: %w; remove it to begin new ones", path, err)
	case err != nil:
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	return &Sessions{path: path, now: now, all: all}, nil
}

// Of returns the session of a thread or channel, a new one if it has none.
func (s *Sessions) Of(scope string) Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.all[scope]; ok && scope != "" {
		return Session{ID: k.ID, Resumed: true}
	}
	return Session{ID: uuid.NewString()}
}

// Keep stores the session of a thread or channel after a run that succeeded.
func (s *Sessions) Keep(scope, id string) error {
	if scope == "" || id == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[scope] = kept{id, s.now().UTC()}
	return s.write()
}

// Forget ends the session of a thread or channel: a run with it has failed, perhaps because of it.
func (s *Sessions) Forget(scope string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[scope]; !ok {
		return nil
	}
	delete(s.all, scope)
	return s.write()
}

// write stores the sessions. mu is held.
func (s *Sessions) write() error {
	if err := state.Write(s.path, s.all, mostSessions, func(k kept) time.Time { return k.Used }); err != nil {
		return fmt.Errorf("store the sessions: %w", err)
	}
	return nil
}
