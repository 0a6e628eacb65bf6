package pgpipe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// conn is one connection with its prepared statements and what waits to be sent.
type conn struct {
	pc    *pgconn.PgConn
	stmts map[string]*prepared
	queue []op
}

type prepared struct {
	name  string
	sent  bool // a Parse is under way in the pipeline being built
	ready bool
}

// op is one statement with its arguments in the wire format.
type op struct {
	text    string
	stmt    *prepared
	params  [][]byte
	formats []int16
	owner   int
}

// immediate is the owner of statements that are not held back.
const immediate = -1

// binary asks for all result columns in binary.
var binary = []int16{1}

// run sends what waits and last, if there is one, and reads all answers. It returns
// those of last.
func (c *conn) run(ctx context.Context, last *op) (*rows, pgconn.CommandTag, error) {
	var tag pgconn.CommandTag
	ops := c.queue
	if last != nil {
		ops = append(ops, *last)
	}
	c.queue = ops[:0]
	if len(ops) == 0 {
		return nil, tag, nil
	}
	defer clear(ops)

	p := c.pc.StartPipeline(ctx)
	parses := make([]bool, len(ops))
	for i := range ops {
		o := &ops[i]
		if !o.stmt.ready && !o.stmt.sent {
			p.SendPrepare(o.stmt.name, o.text, nil)
			o.stmt.sent, parses[i] = true, true
		}
		p.SendQueryPrepared(o.stmt.name, o.params, o.formats, binary)
	}
	if err := p.Sync(); err != nil {
		c.forget(ops)
		return nil, tag, errors.Join(fmt.Errorf("send: %w", err), p.Close())
	}
	var out *rows
	for i := range ops {
		o := &ops[i]
		var err error
		out, tag, err = c.answer(p, o, parses[i], last != nil && i == len(ops)-1)
		if err != nil {
			c.forget(ops)
			closeErr := p.Close()
			if o.owner != immediate {
				err = &DeferredError{Owner: o.owner, Err: err}
			}
			var pgErr *pgconn.PgError
			if closeErr != nil && !errors.As(closeErr, &pgErr) {
				err = errors.Join(err, closeErr)
			}
			return nil, tag, err
		}
	}
	if err := p.Close(); err != nil {
		return nil, tag, fmt.Errorf("end of pipeline: %w", err)
	}
	return out, tag, nil
}

// answer reads the result of one statement.
func (c *conn) answer(p *pgconn.Pipeline, o *op, parsed, keep bool) (*rows, pgconn.CommandTag, error) {
	var tag pgconn.CommandTag
	if parsed {
		if _, err := p.GetResults(); err != nil {
			return nil, tag, err
		}
		o.stmt.ready = true
	}
	res, err := p.GetResults()
	if err != nil {
		return nil, tag, err
	}
	rr, ok := res.(*pgconn.ResultReader)
	if !ok {
		return nil, tag, fmt.Errorf("pgpipe: unexpected answer %T", res)
	}
	if !keep {
		tag, err = rr.Close()
		return nil, tag, err
	}
	out, err := readRows(rr)
	tag, closeErr := rr.Close()
	if closeErr != nil {
		return nil, tag, closeErr
	}
	return out, tag, err
}

// forget takes back the Parses that were not confirmed.
func (c *conn) forget(ops []op) {
	for i := range ops {
		ops[i].stmt.sent = ops[i].stmt.ready
	}
}

func (c *conn) op(query string, args []driver.NamedValue, owner int) (op, error) {
	o := op{text: query, owner: owner}
	o.stmt = c.stmts[query]
	if o.stmt == nil {
		o.stmt = &prepared{name: "s" + strconv.Itoa(len(c.stmts))}
		c.stmts[query] = o.stmt
	}
	if len(args) == 0 {
		return o, nil
	}
	o.params = make([][]byte, len(args))
	for i, a := range args {
		p, bin, err := encode(a.Value)
		if err != nil {
			return o, err
		}
		o.params[i] = p
		if bin {
			if o.formats == nil {
				o.formats = make([]int16, len(args))
			}
			o.formats[i] = 1
		}
	}
	return o, nil
}

// ExecContext runs a statement, or holds it back when ctx says so.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	owner, held := ctx.Value(deferKey{}).(int)
	if !held {
		owner = immediate
	}
	o, err := c.op(query, args, owner)
	if err != nil {
		return nil, err
	}
	if held {
		c.queue = append(c.queue, o)
		return driver.ResultNoRows, nil
	}
	_, tag, err := c.run(ctx, &o)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext runs a statement and reads its rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	o, err := c.op(query, args, immediate)
	if err != nil {
		return nil, err
	}
	out, _, err := c.run(ctx, &o)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Script runs statements in the simple protocol.
func (c *conn) Script(ctx context.Context, text string) error {
	_, err := c.pc.Exec(ctx, text).ReadAll()
	return err
}

// BeginTx opens a transaction; its BEGIN travels with the first statement.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	text := "BEGIN"
	switch sql.IsolationLevel(opts.Isolation) {
	case sql.LevelDefault:
	case sql.LevelRepeatableRead:
		text += " ISOLATION LEVEL REPEATABLE READ"
	default:
		return nil, fmt.Errorf("pgpipe: isolation level %v is not supported", sql.IsolationLevel(opts.Isolation))
	}
	if opts.ReadOnly {
		text += " READ ONLY"
	}
	if _, err := c.ExecContext(Defer(ctx, immediate), text, nil); err != nil {
		return nil, err
	}
	return transaction{c}, nil
}

type transaction struct{ c *conn }

func (t transaction) Commit() error   { return t.end("COMMIT") }
func (t transaction) Rollback() error { return t.end("ROLLBACK") }

func (t transaction) end(text string) error {
	if t.c.pc.TxStatus() == 'I' { // nothing was sent
		t.c.queue = t.c.queue[:0]
		return nil
	}
	if text == "ROLLBACK" {
		t.c.queue = t.c.queue[:0]
	}
	_, err := t.c.ExecContext(context.Background(), text, nil)
	return err
}

// Ping asks the server for nothing.
func (c *conn) Ping(ctx context.Context) error {
	o, err := c.op("SELECT 1", nil, immediate)
	if err != nil {
		return err
	}
	_, _, err = c.run(ctx, &o)
	return err
}

// IsValid keeps a connection out of the pool that is closed, in a transaction, or
// has something waiting.
func (c *conn) IsValid() bool {
	return !c.pc.IsClosed() && c.pc.TxStatus() == 'I' && len(c.queue) == 0
}

// ResetSession refuses such a connection too.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.pc.Close(ctx)
}

// Begin and Prepare are the old forms that database/sql does not use here.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare is refused: statements are prepared by the text they are run with.
func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("pgpipe: run the text, it is prepared and kept")
}
