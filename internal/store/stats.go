package store

import (
	"database/sql"

	"github.com/b2b-protocol/b2b/internal/fair"
)

// Stats are numbers of a database, for monitoring.
type Stats struct {
	Waiting     int   // changes that wait for a batch
	Undone      int64 // batches that were not committed as one, so that each change ran alone
	CacheHits   int64 // queries of changes that the cache of the writer answered
	CacheMisses int64
	Reads       fair.Stats  // the slots of reads, which orgs share
	Pool        sql.DBStats // of PostgreSQL: for reads and changes; of SQLite: for reads
}
