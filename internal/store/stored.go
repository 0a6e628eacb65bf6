package store

import "context"

// Stored is how many bytes the changes of an org stored on a day.
type Stored struct {
	All  int64
	Bulk int64 // of them, those of changes that are no short messages
}

// StoredWriter counts what the changes of an org store, for a quota of each day
// (B2B-LIM-012). Counted are the bytes of the texts and blobs that a change writes, in rows
// and in the log: not keys of indexes, nor what the database adds.
type StoredWriter interface {
	// StoredOn answers what was counted on the day (UTC) of the given time. An org
	// that is not there has nothing.
	StoredOn(ctx context.Context, at int64) (Stored, error)
	// CountStored counts what this change has written so far. It is called once in a change,
	// when nothing else is to be written.
	CountStored(ctx context.Context, at int64, bulk bool) error
}
