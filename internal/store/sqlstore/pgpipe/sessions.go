package pgpipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrShared reports that a pooler shares sessions between connections.
var ErrShared = errors.New("between this server and PostgreSQL is a pooler that gives a session to whoever " +
	"has a transaction: prepared statements, advisory locks and LISTEN need a session of their own. " +
	"Set the pooler to session pooling (pgbouncer: pool_mode = session), or connect to PostgreSQL itself")

// CheckSessions returns ErrShared unless each connection has a session of its own: a pooler in
// transaction or statement mode gives none (B2B-ENV-050). It opens two connections, and
// checks that each keeps its server process while the other one is used.
func (c *Connector) CheckSessions(ctx context.Context) (err error) {
	const connections = 2
	var all [connections]*conn
	defer func() {
		for _, own := range all {
			if own != nil {
				err = errors.Join(err, own.Close())
			}
		}
	}()
	var pids [connections]string
	for i := range all {
		if all[i], err = c.open(ctx); err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, connections, err)
		}
	}
	for _, step := range steps {
		pid, err := all[step.who].ask(ctx, step.text+"SELECT pg_backend_pid()")
		switch {
		case err != nil && strings.Contains(err.Error(), "statement pooling"):
			return ErrShared
		case err != nil:
			return fmt.Errorf("ask for the process of a session: %w", err)
		case pids[step.who] == "":
			pids[step.who] = pid
		case pids[step.who] != pid:
			return ErrShared
		}
		if pids[0] == pids[1] {
			return ErrShared
		}
	}
	return nil
}

// steps query the process of the connections in turn. Outside of a transaction, a pooler gives
// the process of one connection to the other.
var steps = []struct {
	who  int
	text string
}{
	{0, ""}, {1, "BEGIN; "}, {0, ""}, {1, "ROLLBACK; "}, {1, ""}, {0, "BEGIN; "}, {1, ""}, {0, "ROLLBACK; "}, {0, ""}, {1, ""}, {0, ""},
}

// ask runs statements and returns the one value of the last one.
func (c *conn) ask(ctx context.Context, text string) (string, error) {
	c.arm(ctx)
	results, err := c.pc.Exec(ctx, text).ReadAll()
	if err != nil {
		return "", err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 {
		return "", fmt.Errorf("pgpipe: %d rows", len(last.Rows))
	}
	return string(last.Rows[0][0]), nil
}
