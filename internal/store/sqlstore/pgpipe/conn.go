package pgpipe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// conn is one connection with its prepared statements, the queue of statements to be sent, and
// the statements in flight.
type conn struct {
	pc       *pgconn.PgConn
	from     *Connector
	born     uint64    // generation of the connector
	until    time.Time // see Expire; zero: the connector's limit holds
	least    time.Duration
	stmts    map[string]*prepared
	queue    []op
	inFlight []op
	pipe     *pgconn.Pipeline // open while statements are in flight
	broken   bool
	snapshot bool // in a transaction of BeginTx that only reads
}

// prepared is a prepared statement. Its name on the server is a hash of its text, so that
// arguments are never bound to another statement, even behind a pooler.
type prepared struct {
	name  string
	tries int  // how often a Parse was not confirmed
	sent  bool // a Parse is in flight
	ready bool
}

// op is one statement with its arguments in the wire format.
type op struct {
	text    string
	stmt    *prepared
	params  [][]byte
	formats []int16
	owner   int
	parse   bool // a Parse was sent with it
	last    bool // its rows are wanted
	synced  bool // a Sync was sent after it
}

// immediate is the owner of statements that are not deferred.
const immediate = -1

// ahead is the length of the queue at which it is sent without waiting for results, so that
// the server works while the caller makes further statements.
const ahead = 24

// binary requests all result columns in binary format.
var binary = []int16{1}

// send sends the queue without waiting for results. It adds a Sync to the same write: if this
// process freezes after a Sync, the session is idle in its transaction, and the server ends
// it; without the Sync it would count as active (B2B-LIFE-031). Inside a transaction a Sync
// does not commit.
func (c *conn) send(ctx context.Context) error {
	if c.pipe == nil {
		c.pipe = c.pc.StartPipeline(ctx)
	}
	for i := range c.queue {
		o := &c.queue[i]
		if !o.stmt.ready && !o.stmt.sent {
			c.pipe.SendPrepare(o.stmt.wire(), o.text, nil)
			o.stmt.sent, o.parse = true, true
		}
		c.pipe.SendQueryPrepared(o.stmt.wire(), o.params, o.formats, binary)
	}
	if n := len(c.queue); n > 0 {
		c.queue[n-1].synced = true
	}
	c.inFlight = append(c.inFlight, c.queue...)
	clear(c.queue)
	c.queue = c.queue[:0]
	if err := c.pipe.Sync(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// run sends the queue and last, which may be nil, and reads all results. It returns those of
// last.
func (c *conn) run(ctx context.Context, last *op) (out *rows, tag pgconn.CommandTag, err error) {
	if last != nil {
		last.last = true
		c.queue = append(c.queue, *last)
	}
	if len(c.queue) == 0 && c.pipe == nil {
		return nil, tag, nil
	}
	c.arm(ctx)
	c.from.pulse.asked()
	defer func() { err = c.heard(ctx, err) }()
	err = c.send(ctx)
	if c.from.Sent != nil {
		c.from.Sent(len(c.inFlight))
	}
	for i := 0; i < len(c.inFlight) && err == nil; i++ {
		o := &c.inFlight[i]
		if out, tag, err = c.answer(c.pipe, o); err != nil && o.owner != immediate {
			err = &DeferredError{Owner: o.owner, Err: err}
		}
		if err == nil && o.synced && i < len(c.inFlight)-1 { // endPipe reads the last one
			err = synced(c.pipe)
		}
	}
	if e := c.endPipe(); e != nil {
		var pgErr *pgconn.PgError
		if err == nil || !errors.As(e, &pgErr) {
			err = errors.Join(err, fmt.Errorf("end of pipeline: %w", e))
		}
	}
	if err != nil {
		return nil, tag, err
	}
	return out, tag, nil
}

// synced reads the response to a Sync.
func synced(p *pgconn.Pipeline) error {
	res, err := p.GetResults()
	if err != nil {
		return err
	}
	if _, ok := res.(*pgconn.PipelineSync); !ok {
		return fmt.Errorf("pgpipe: unexpected response %T to a Sync", res)
	}
	return nil
}

// endPipe closes the pipeline and marks the statements without a response to Parse as not
// prepared.
func (c *conn) endPipe() error {
	err := c.pipe.Close()
	for i := range c.inFlight {
		if stmt := c.inFlight[i].stmt; stmt.sent && !stmt.ready {
			stmt.sent = false
			stmt.tries++ // the server may have this name
		}
	}
	clear(c.inFlight)
	c.inFlight, c.pipe = c.inFlight[:0], nil
	return err
}

// abandon ends the pipeline and discards its results.
func (c *conn) abandon() {
	clear(c.queue)
	c.queue = c.queue[:0]
	if c.pipe == nil {
		return
	}
	c.arm(context.Background())
	err := c.endPipe()
	var pgErr *pgconn.PgError
	if err != nil && !errors.As(err, &pgErr) {
		c.broken = true
	}
}

// answer reads the results of one statement.
func (c *conn) answer(p *pgconn.Pipeline, o *op) (*rows, pgconn.CommandTag, error) {
	var tag pgconn.CommandTag
	if o.parse {
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
		return nil, tag, fmt.Errorf("pgpipe: unexpected response %T", res)
	}
	if !o.last {
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

func (c *conn) op(query string, args []driver.NamedValue, owner int) (op, error) {
	o := op{text: query, owner: owner}
	o.stmt = c.stmts[query]
	if o.stmt == nil {
		o.stmt = &prepared{name: statementName(query)}
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

// ExecContext runs a statement, or queues it if ctx is of Defer.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	owner, deferred := ctx.Value(deferKey{}).(int)
	if !deferred {
		owner = immediate
	}
	o, err := c.op(query, args, owner)
	if err != nil {
		return nil, err
	}
	if deferred {
		c.queue = append(c.queue, o)
		if len(c.queue) >= ahead {
			c.arm(ctx)
			if err := c.send(ctx); err != nil {
				return nil, c.lost(ctx, err)
			}
		}
		return driver.ResultNoRows, nil
	}
	_, tag, err := c.run(ctx, &o)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext runs a statement and reads its rows. Outside of a transaction, and as the first
// statement of a read-only transaction, it returns driver.ErrBadConn when the connection is
// lost, because it can then run again on another one. Outside of transactions database/sql
// does so by itself.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	o, err := c.op(query, args, immediate)
	if err != nil {
		return nil, err
	}
	first := c.pipe == nil && c.pc.TxStatus() == 'I' && (len(c.queue) == 0 || c.snapshot)
	out, _, err := c.run(ctx, &o)
	if err != nil {
		if first && c.pc.IsClosed() && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", driver.ErrBadConn, err)
		}
		return nil, err
	}
	return out, nil
}

// Script runs statements in the simple protocol.
func (c *conn) Script(ctx context.Context, text string) error {
	c.arm(ctx)
	c.from.pulse.asked()
	_, err := c.pc.Exec(ctx, text).ReadAll()
	return c.heard(ctx, err)
}

// BeginTx opens a transaction. Its BEGIN is sent with the first statement, unless ctx is of
// Prompt: then it is sent at once, and database/sql takes another connection if this is lost.
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
	if ctx.Value(promptKey{}) == nil {
		ctx = Defer(ctx, immediate)
	}
	if _, err := c.ExecContext(ctx, text, nil); err != nil {
		if c.pc.IsClosed() && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", driver.ErrBadConn, err)
		}
		return nil, err
	}
	c.snapshot = opts.ReadOnly
	return transaction{c}, nil
}

type transaction struct{ c *conn }

func (t transaction) Commit() error   { return t.end("COMMIT") }
func (t transaction) Rollback() error { return t.end("ROLLBACK") }

func (t transaction) end(text string) error {
	t.c.snapshot = false
	if text == "ROLLBACK" {
		t.c.abandon()
	}
	if t.c.pipe == nil && t.c.pc.TxStatus() == 'I' { // no statement was sent
		t.c.queue = t.c.queue[:0]
		return nil
	}
	_, err := t.c.ExecContext(context.Background(), text, nil)
	return err
}

// Ping sends an empty statement.
func (c *conn) Ping(ctx context.Context) error {
	o, err := c.op("SELECT 1", nil, immediate)
	if err != nil {
		return err
	}
	_, _, err = c.run(ctx, &o)
	return err
}

// IsValid returns false for a connection that is closed, is in a transaction, has statements
// queued, or belongs to an old generation.
func (c *conn) IsValid() bool {
	return !c.broken && c.born == c.from.generation.Load() && !c.pc.IsClosed() && c.pc.TxStatus() == 'I' && len(c.queue) == 0 && c.pipe == nil
}

// ResetSession fails for a connection that is not valid.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	c.until, c.least = time.Time{}, 0
	return nil
}

// Close ends the session. It waits only briefly for the server, because the caller may need
// another connection.
func (c *conn) Close() error {
	c.abandon()
	if c.pc.IsClosed() {
		return nil
	}
	wait := closeTimeout
	if c.born != c.from.generation.Load() {
		wait = suspectTimeout
	}
	if err := c.pc.Conn().SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return c.pc.Close(ctx)
}

// Begin and Prepare complete driver.Conn; database/sql does not call them here.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare is refused: statements are prepared by the text they are run with.
func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("pgpipe: Prepare is not supported: run the text, the driver prepares it")
}
