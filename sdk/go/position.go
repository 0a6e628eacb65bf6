package b2b

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// PositionStore keeps the position of a listener, so that it continues there when the program
// starts again. A store is for one listener at a time. Its methods are not called simultaneously.
type PositionStore interface {
	// Load returns the position that was saved last; empty: none.
	Load(ctx context.Context) (string, error)
	// Save replaces the position. If it fails, it is called again with a later position.
	Save(ctx context.Context, position string) error
}

// FileStore is a PositionStore in the file of this name. Its folder must exist.
type FileStore string

// Load implements PositionStore.
func (f FileStore) Load(context.Context) (string, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("b2b: load a position: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// Save implements PositionStore. A crash leaves the file with the old or the new position.
func (f FileStore) Save(_ context.Context, position string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("b2b: save a position: %w", err)
		}
	}()
	temporary, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*")
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(position + "\n")
	if err == nil {
		err = temporary.Sync()
	}
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), string(f))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temporary.Name()))
	}
	return err
}

// flushTimeout bounds the last save, after the listener ended.
const flushTimeout = 10 * time.Second

// saver saves positions without making the consumer wait: one save at a time, of the newest.
type saver struct {
	store  PositionStore
	failed func(error) // a save that failed and will be tried again
	wake   chan struct{}
	done   chan struct{}
	err    error // of the last save; read it after done

	mu      sync.Mutex
	newest  string // not saved yet
	closing bool
}

func newSaver(ctx context.Context, store PositionStore, failed func(error)) *saver {
	s := &saver{store: store, failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run(context.WithoutCancel(ctx))
	return s
}

func (s *saver) commit(position string) {
	s.mu.Lock()
	s.newest = position
	s.mu.Unlock()
	signal(s.wake)
}

// close saves what is not saved, and returns the error if it could not be saved.
func (s *saver) close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	signal(s.wake)
	<-s.done
	return s.err
}

func (s *saver) run(ctx context.Context) {
	defer close(s.done)
	for range s.wake {
		s.mu.Lock()
		position, closing := s.newest, s.closing
		s.newest = ""
		s.mu.Unlock()
		if position != "" {
			s.save(ctx, position)
		}
		if closing {
			return
		}
	}
}

func (s *saver) save(ctx context.Context, position string) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if s.err = s.store.Save(ctx, position); s.err == nil {
		return
	}
	s.mu.Lock()
	if s.newest == "" {
		s.newest = position // with the next commit, or at the end
	}
	closing := s.closing
	s.mu.Unlock()
	if !closing {
		s.failed(s.err)
	}
}
