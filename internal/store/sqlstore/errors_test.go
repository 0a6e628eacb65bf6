package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
)

func TestOutage(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return fmt.Errorf("store: x: %w", &pgconn.PgError{Code: code}) }
	for _, c := range []struct {
		err                   error
		outage, full, unknown bool
	}{
		{err: nil},
		{err: errors.New("a bug")},
		{err: store.ErrNotFound},
		{err: pg("42601")},               // syntax
		{err: pg("40001"), outage: true}, // asked to try again, too often
		{err: fmt.Errorf("x: %w", context.DeadlineExceeded)},
		{err: &net.OpError{Op: "dial", Err: context.Canceled}},
		{err: pg("57P01"), outage: true}, // shutting down
		{err: pg("57P03"), outage: true}, // starting
		{err: pg("53300"), outage: true}, // too many connections
		{err: pg("08006"), outage: true},
		{err: pg("53100"), outage: true, full: true},
		{err: &net.OpError{Op: "dial", Err: errors.New("refused")}, outage: true},
		{err: fmt.Errorf("x: %w", io.ErrUnexpectedEOF), outage: true},
		{err: fmt.Errorf("%w: %w", errUnknown, io.EOF), outage: true, unknown: true},
		{err: &store.Outage{Full: true, Err: io.EOF}, outage: true, full: true},
	} {
		var got *store.Outage
		err := outage(c.err)
		if is := errors.As(err, &got); is != c.outage || is && (got.Full != c.full || got.Unknown != c.unknown) {
			t.Errorf("%v: %#v", c.err, err)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v is lost", c.err)
		}
		if got == nil {
			continue
		}
		if message, hint, after := got.Outage(); message == "" || hint == "" || after < 1 {
			t.Errorf("%v: message %q, hint %q, retry after %d", c.err, message, hint, after)
		}
	}
}
