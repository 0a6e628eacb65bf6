package sqlstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/sqlstate"
)

// failingTime is how long a failed change affects the health when no change has followed.
const failingTime = 10 * time.Second

// note records the result of a batch of an org. A failure to get the lock counts for that org
// only.
func (w *pgWriter) note(org string, err error) {
	var away *store.Outage
	failed := errors.As(outage(err), &away)
	code, _ := meaning(err)
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !failed:
		delete(w.failing, org)
		w.failed = time.Time{}
	case code != sqlstate.LockNotAvailable:
		w.failed = now
	default:
		for org, at := range w.failing {
			if now.Sub(at) > failingTime {
				delete(w.failing, org)
			}
		}
		w.failing[org] = now
	}
}

// health returns a store.Outage while changes fail, or when the schema is newer than this
// program.
func (w *pgWriter) health(schema int64) error {
	if err := w.current(schema); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.failed
	for _, at := range w.failing {
		if at.After(last) {
			last = at
		}
	}
	if since := time.Since(last); since <= failingTime {
		return fmt.Errorf("a change failed %v ago: %w", since.Round(time.Millisecond), &store.Outage{Err: errFailing})
	}
	return nil
}

// current refuses a schema that is newer than this program (B2B-ENV-051), and logs it once.
func (w *pgWriter) current(schema int64) error {
	if schema <= w.schema {
		w.outdated.Store(false)
		return nil
	}
	if !w.outdated.Swap(true) {
		w.logger.Error("a newer version of b2b has changed the schema of the database: this server makes no more changes; update it",
			"schema", schema, "known", w.schema)
	}
	return &store.Outage{Newer: true, Err: errNewerPG}
}
