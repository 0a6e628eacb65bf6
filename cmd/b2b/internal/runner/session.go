package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
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
	s := &Sessions{path: path, now: now, all: map[string]kept{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	if err := json.Unmarshal(text, &s.all); err != nil {
		return nil, fmt.Errorf("read the sessions: %s is damaged (remove it to begin new ones): %w", path, err)
	}
	return s, nil
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
	for len(s.all) > mostSessions {
		oldest := ""
		for scope, k := range s.all {
			if oldest == "" || k.Used.Before(s.all[oldest].Used) {
				oldest = scope
			}
		}
		delete(s.all, oldest)
	}
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

// write replaces the file. mu is held.
func (s *Sessions) write() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("store the sessions: %w", err)
	}
	text, err := json.Marshal(s.all)
	if err != nil {
		return fmt.Errorf("store the sessions: %w", err)
	}
	if err := profile.Replace(s.path, text, 0o600); err != nil {
		return fmt.Errorf("store the sessions: %w", err)
	}
	return nil
}
