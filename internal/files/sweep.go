package files

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Grace is the age at which bytes without a row are orphans. It is far longer than the time
// between the last byte of an upload and its commit.
const Grace = time.Hour

// Swept counts what a sweep has removed.
type Swept struct {
	Orphans   int // bytes that no row names
	Leftovers int // of uploads that were cut off
}

// Sweep removes what crashes, refused uploads and deleted orgs left behind.
// Several sweeps at once do no harm. It holds one page of names in memory, and asks
// between before each of them.
func Sweep(ctx context.Context, bytes Store, rows Rows, now time.Time, between func(context.Context) error) (Swept, error) {
	var done Swept
	before := now.Add(-Grace)
	left, err := bytes.Tidy(ctx, before)
	done.Leftovers = left
	if err != nil {
		return done, err
	}
	err = bytes.Walk(ctx, func(org string, page []Stored) error {
		if err := between(ctx); err != nil {
			return err
		}
		var old []string
		for _, s := range page {
			if s.At.Before(before) {
				old = append(old, s.File)
			}
		}
		known, err := rows.KnownFiles(ctx, org, old)
		if err != nil {
			return fmt.Errorf("look up files: %w", err)
		}
		for _, file := range old {
			if slices.Contains(known, file) {
				continue
			}
			if err := bytes.Delete(ctx, Key{org, file}); err != nil {
				return err
			}
			done.Orphans++
		}
		return nil
	})
	return done, err
}

// Claim checks that a store has the files of this database, and writes the owner note into a
// store without one. It fails if the note names another database, and if there is no note but the
// database has files: those must be in another store.
func Claim(ctx context.Context, bytes Store, db Database) error {
	var id string
	err := db.Update(ctx, "", func(tx Tx) (err error) {
		id, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return fmt.Errorf("read the id of the database: %w", err)
	}
	mark, err := bytes.Note(ctx, OwnerNote)
	switch {
	case err != nil || mark == id:
		return err
	case mark != "":
		return fmt.Errorf("%s holds the files of another database (%s there says so): every database needs a place of its own, "+
			"and all nodes of one database the same", bytes, OwnerNote)
	}
	any, err := db.AnyFile(ctx)
	if err != nil {
		return fmt.Errorf("look for files: %w", err)
	}
	if any {
		return fmt.Errorf("the database has files, but %s has none of them: all nodes must share one place. "+
			"If the files are lost, put a file %s with the line %s there", bytes, OwnerNote, id)
	}
	return bytes.SetNote(ctx, OwnerNote, id)
}
