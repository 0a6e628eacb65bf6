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

// conn is one connection with its prepared statements and what waits: in the queue to
// be sent, in flight to be answered.
type conn struct {
	pc       *pgconn.PgConn
	from     *Connector
	born     uint64    // generation of the connector
	until    time.Time // see Expire; zero: the connector's limit holds
	least    time.Duration
	stmts    map[string]*prepared
	queue    []op
	inFlight []op
	pipe     *pgconn.Pipeline // open while something is in flight
	broken   bool
	snapshot bool // in a transaction of BeginTx that only reads
}

// prepared is a statement that the server knows by a name made of its text: whatever
// stands between us and the server, arguments are never bound to another statement.
type prepared struct {
	name  string
	tries int  // how often a Parse was not confirmed
	sent  bool // a Parse is under way
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

// immediate is the owner of statements that are not held back.
const immediate = -1

// ahead is how many held statements are sent before anybody waits for them, so that
// the server works while the next ones are made.
const ahead = 24

// binary asks for all result columns in binary.
var binary = []int16{1}

// send puts what waits in the queue in flight, without waiting. It ends with a Sync, in the
// same write: a session whose client falls silent after a Sync is idle in its transaction,
// which the server ends by itself, and without one it counts as at work (B2B-LIFE-031).
// Inside a transaction a Sync commits nothing.
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

// run sends what waits and last, if there is one, and reads all answers. It returns
// those of last.
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

// synced reads the answer of a Sync.
func synced(p *pgconn.Pipeline) error {
	res, err := p.GetResults()
	if err != nil {
		return err
	}
	if _, ok := res.(*pgconn.PipelineSync); !ok {
		return fmt.Errorf("pgpipe: unexpected answer %T to a Sync", res)
	}
	return nil
}

// endPipe closes the pipeline and takes back the Parses that were not confirmed.
func (c *conn) endPipe() error {
	err := c.pipe.Close()
	for i := range c.inFlight {
		if stmt := c.inFlight[i].stmt; stmt.sent && !stmt.ready {
			stmt.sent = false
			stmt.tries++ // the name may be taken
		}
	}
	clear(c.inFlight)
	c.inFlight, c.pipe = c.inFlight[:0], nil
	return err
}

// abandon ends the pipeline without looking at the answers.
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

// answer reads the result of one statement.
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
		return nil, tag, fmt.Errorf("pgpipe: unexpected answer %T", res)
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

// QueryContext runs a statement and reads its rows. Outside of a transaction, and as
// the first one of a transaction that only reads, it is taken for a read: when the
// connection turns out to be gone, it says so with driver.ErrBadConn, and then it can
// run again on another one. The pool does that by itself outside of transactions.
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

// BeginTx opens a transaction; its BEGIN travels with the first statement, unless ctx
// says that it shall not wait. Then the pool takes another connection when one is gone.
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
	if t.c.pipe == nil && t.c.pc.TxStatus() == 'I' { // nothing was sent
		t.c.queue = t.c.queue[:0]
		return nil
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

// IsValid keeps a connection out of the pool that is closed, in a transaction, has
// something waiting, or was opened before others turned out to be useless.
func (c *conn) IsValid() bool {
	return !c.broken && c.born == c.from.generation.Load() && !c.pc.IsClosed() && c.pc.TxStatus() == 'I' && len(c.queue) == 0 && c.pipe == nil
}

// ResetSession refuses such a connection too.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	c.until, c.least = time.Time{}, 0
	return nil
}

// Close says goodbye to the server, and waits a little for it: the caller may be somebody
// who needs another connection.
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

// Begin and Prepare are the old forms that database/sql does not use here.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare is refused: statements are prepared by the text they are run with.
func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("pgpipe: run the text, it is prepared and kept")
}
