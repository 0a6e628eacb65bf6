package sqlstore

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
)

// When the deadline passes after a batch was undone because of one change, the other changes
// fail with errLate, not with the error of that change.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	late, unknown := &store.Outage{}, errors.Join(errUnknown, io.EOF)
	for _, c := range []struct {
		offender int
		err      error
		want     [3]error
	}{
		{1, store.ConflictName, [3]error{late, store.ConflictName, late}},
		{-1, io.EOF, [3]error{io.EOF, io.EOF, io.EOF}},
		{-1, unknown, [3]error{errUnknown, errUnknown, errUnknown}},
		{2, unknown, [3]error{errUnknown, errUnknown, errUnknown}},
	} {
		jobs := []*job{newJob("o", nil), newJob("o", nil), newJob("o", nil)}
		giveUp(jobs, c.offender, c.err)
		for i, j := range jobs {
			err := <-j.done
			var o *store.Outage
			if c.want[i] == late {
				if !errors.As(err, &o) || o.Unknown {
					t.Errorf("offender %d, %v: change %d got %v", c.offender, c.err, i, err)
				}
			} else if !errors.Is(err, c.want[i]) {
				t.Errorf("offender %d, %v: change %d got %v", c.offender, c.err, i, err)
			}
		}
	}
}

// over decides whether the changes of a failed batch are given up, or run again without the
// offender.
func TestOver(t *testing.T) {
	t.Parallel()
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, c := range []struct {
		err      error
		deadline time.Time
		over     bool
	}{
		{errUnknown, soon, true},
		{store.ConflictName, soon, false},
		{store.ConflictName, time.Time{}, false},
		{store.ConflictName, past, true},
		{pgpipe.ErrSilent, soon, true},
		{io.ErrUnexpectedEOF, soon, true},
		{&pgconn.PgError{Code: "57014"}, soon, false}, // its own statement took too long
		{&pgconn.PgError{Code: "57014"}, past, true},
	} {
		if got := (&pgCommit{deadline: c.deadline}).over(c.err); got != c.over {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
