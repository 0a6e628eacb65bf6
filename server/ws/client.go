package ws

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/intake"
	"github.com/b2b-protocol/b2b/server/wire"
)

// client is one connection. There may be many thousands: while nothing happens it has
// one goroutine, which reads, and no buffer to write with.
type client struct {
	server  *Server
	conn    *websocket.Conn
	socket  *socket
	sub     *eventlog.Subscription
	creds   call.Credentials
	org     string
	bot     string // empty: an org admin's session
	session bool
	ip      string
	agent   string
	base    string
	opened  time.Time
	slot    int

	writer  func() // write, as a task of the server; wake starts it
	wake    func()
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	answers chan struct{} // one token for each answer that waits
	behind  atomic.Int32  // of these, those behind events
	closing sync.Once
	leaving atomic.Bool  // what ends the connection is on its way
	alive   atomic.Bool  // something came since the last ping
	mute    atomic.Bool  // the last ping was not answered
	ends    atomic.Int64 // when the credential is looked at because of its time, in Unix milliseconds; 0: it has none
	pace    pace         // of the message under way
	working sync.Mutex   // held while a frame is worked on
	over    bool         // no more frames: guarded by working
}

// present tells whether the connection makes its bot be online.
func (c *client) present() bool { return c.bot != "" && !c.session }

// release undoes what admit did.
func (c *client) release() {
	c.cancel()
	c.sub.Close()
	if c.present() {
		c.server.Presence.Leave(c.org, c.bot)
	}
}

// read takes the frames of the client, one after the other, until the connection
// ends.
func (c *client) read() {
	defer c.server.tasks.Done()
	defer c.server.remove(c)
	defer c.release()
	for {
		if err := c.next(); err != nil {
			c.part(err)
			return
		}
	}
}

// next takes one frame. Its bytes count as those of the org until it is done with
// (B2B-LIM-032); a frame for which there is no room is passed over and answered with why.
// While nothing comes no buffer is held.
func (c *client) next() error {
	_, from, err := c.conn.Reader(context.Background())
	if err != nil {
		return err
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	hold := c.server.Intake.Begin(c)
	defer hold.End()
	defer c.pace.end()
	from = c.pace.begin(from)
	// The library ends what is larger, and needs to see a byte more for that.
	buf.B, err = hold.Read(c.ctx, buf.B, from, -1, MaxFrame+1)
	var refusal *call.Error
	switch {
	case errors.As(err, &refusal):
		hold.End()
		if _, err := io.Copy(io.Discard, from); err != nil {
			return err
		}
		c.alive.Store(true)
		c.answer(appendError(nil, nil, refusal))
		return nil
	case err != nil:
		return err
	}
	c.alive.Store(true)
	if err := hold.Decode(c.ctx); err != nil {
		if e, told := call.AsError(err); told {
			c.answer(appendError(nil, nil, e))
		}
		return nil // or the connection ends, which the next frame says
	}
	c.work(buf.B, &hold)
	return nil
}

// Payer implements [intake.Payer].
func (c *client) Payer() (share string, stranger bool) { return c.org, false }

// part takes leave of a client that closed the connection, or broke the protocol: it
// has been told so, and gets the time to read it.
func (c *client) part(err error) {
	c.cancel()
	if websocket.CloseStatus(err) == -1 {
		kill := time.AfterFunc(closeWait, c.cut)
		defer kill.Stop()
		if err := c.conn.Close(websocket.StatusProtocolError, ""); err != nil {
			c.server.Log.Debug("a connection broke off", "error", err)
		}
	}
	c.cut()
}

// work does one frame, unless the connection is about to end.
func (c *client) work(frame []byte, hold *intake.Reservation) {
	c.working.Lock()
	defer c.working.Unlock()
	if !c.over && c.ctx.Err() == nil {
		c.handle(frame, hold)
	}
}

// write sends what the subscription has, and ends when it has no more: a connection
// to which nothing happens has no goroutine that writes. It is woken when there is
// something again, so there is one at a time.
func (c *client) write() {
	defer c.server.tasks.Done()
	var out batch
	for c.ctx.Err() == nil {
		it, err := c.sub.Poll(c.ctx, c.wake)
		if it == nil && err == nil { // from here on another may write
			return
		}
		if frame, kind := c.frame(it); frame != nil {
			if out.add(frame, kind); c.sub.Waiting() && !out.full() {
				continue
			}
		}
		c.send(&out)
		switch {
		case err != nil:
			if e := c.endedBy(c.ctx, err); e != nil {
				c.end(e)
			}
			return
		case it.Recheck:
			c.server.forget(c.org, it)
			c.recheck(it.Why)
		case it.Local != nil:
			if e, ok := it.Local.(*ending); ok {
				c.end(e)
			}
		}
	}
}

// frame is what is sent for an item, if anything, and which kind of answer it is.
func (c *client) frame(it *eventlog.Item) ([]byte, kind) {
	switch {
	case it == nil:
		return nil, 0
	case it.Event != nil:
		return frameOf(it), event
	}
	switch v := it.Local.(type) {
	case []byte:
		return textFrame(v), answerBehind
	case prompt:
		return textFrame(v), answerSoon
	}
	return nil, 0
}

// send writes frames. It waits for as long as the client answers pings.
func (c *client) send(b *batch) {
	if b.first == nil {
		return
	}
	err := c.socket.send(b)
	c.behind.Add(-int32(b.behind))
	for range b.answers {
		<-c.answers
	}
	*b = batch{}
	if err != nil && c.ctx.Err() == nil {
		c.cut()
	}
}

// answer puts a frame behind all events that were committed before.
func (c *client) answer(frame []byte) {
	select {
	case c.answers <- struct{}{}:
		c.behind.Add(1)
		c.sub.After(frame)
	case <-c.ctx.Done():
	}
}

// prompt is an answer that has nothing to do with events.
type prompt []byte

// answerSoon puts a frame before all events that wait, many of which there may be
// while the connection is behind; but not before an answer (B2B-WS-015).
func (c *client) answerSoon(frame []byte) {
	select {
	case c.answers <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	if c.behind.Load() == 0 {
		c.sub.Soon(prompt(frame))
		return
	}
	c.behind.Add(1)
	c.sub.After(frame)
}

// recheck looks at the credential after a change of access; why is what a session is
// told that has ended.
func (c *client) recheck(why string) {
	if why == "" {
		why = sessionRevoked
	}
	_, err := c.server.Access.Authenticate(c.ctx, c.creds)
	if err == nil || c.ctx.Err() != nil {
		return
	}
	e := refusedLater(err, why)
	if e == nil {
		c.server.Log.Error("the credential of a connection cannot be looked at, it is closed", "error", err)
		e = endInternal
	}
	c.endFor(err, e)
}

// endFor ends the connection because its credential was refused; where the log says
// why, behind what the log has by now (B2B-WS-006).
func (c *client) endFor(refusal error, e *ending) {
	switch {
	case !call.ReasonInLog(refusal):
		c.end(e)
	case !c.leaving.Swap(true):
		c.sub.Last(e)
	}
}

// check looks at the credential because time has passed.
func (c *client) check(ctx context.Context) {
	caller, err := c.server.Access.Authenticate(ctx, c.creds)
	if err == nil {
		c.ends.Store(caller.Ends())
		return
	}
	if ctx.Err() != nil {
		return
	}
	if e := refusedLater(err, sessionExpired); e != nil {
		c.endFor(err, e)
		return
	}
	c.server.Log.Error("the credential of a connection cannot be looked at", "error", err)
	c.ends.Store(time.Now().Add(tryAgain).UnixMilli())
}

// overdue reports whether the time of the credential has come. It does so once, until
// check has looked.
func (c *client) overdue(now int64) bool {
	ends := c.ends.Load()
	return ends != 0 && ends < now && c.ends.CompareAndSwap(ends, 0)
}

// ping sends a ping, or ends a connection that has not answered the last one.
func (c *client) ping() {
	if !c.alive.Swap(false) && c.mute.Load() {
		c.cut()
		return
	}
	c.mute.Store(true)
	c.server.tasks.Go(func() {
		// Not of c.ctx: the library breaks the connection off when the context of a
		// write ends, and a client that is told why it must go would not hear it.
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		if err := c.conn.Ping(ctx); err == nil {
			c.mute.Store(false)
		}
	})
}

// end closes the connection with a close frame. It does not wait for it. It reports
// whether the connection was not closing already.
func (c *client) end(e *ending) (first bool) {
	c.closing.Do(func() {
		first = true
		c.cancel()
		c.server.tasks.Go(func() {
			kill := time.AfterFunc(closeWait, c.cut)
			defer kill.Stop()
			if err := c.conn.Close(e.code, e.reason); err != nil {
				c.server.Log.Debug("a connection that is closed is gone", "error", err)
			}
		})
	})
	return first
}

// drain ends the connection behind the frame that it is at and the answer to it.
func (c *client) drain(e *ending) {
	c.working.Lock()
	defer c.working.Unlock()
	if !c.over {
		c.over = true
		c.sub.After(e)
	}
}

// cut ends the connection without a word.
func (c *client) cut() {
	c.cancel()
	_ = c.socket.Close() // it may be closed already
}
