package sqltest

import (
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// Unnoticed is a store that reports no commits. A hub on it reads new events only when a
// subscription asks for them, so that a test decides what comes before an event of the log.
type Unnoticed struct{ *sqlstore.Store }

// OnCommit does nothing.
func (Unnoticed) OnCommit(func(string, []store.Event)) (remove func()) { return func() {} }
