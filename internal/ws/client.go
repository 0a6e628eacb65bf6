package ws

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/wire"
)

// client is one connection. There may be many thousands; an idle one has one goroutine, which
// reads, and no write buffer.
type client struct {
	server  *Server
	conn    *websocket.Conn
	socket  *socket
	sub     *subscription.Subscription
	creds   call.Credentials
	org     string
	bot     string // "": a session of an org admin
	session bool
	ip      string
	agent   string
	base    string
	opened  time.Time
	slot    int

	writer     func() // c.write; wake starts it as a task of the server
	wake       func()
	ctx        context.Context // ends with the connection
	cancel     context.CancelFunc
	answers    chan struct{} // one element for each waiting reply
	behind     atomic.Int32  // the number of these that are queued behind events
	closing    sync.Once
	active     atomic.Bool // something arrived since the last ping
	awaitsPong atomic.Bool // no pong to the last ping yet
	pace       pace        // of the current message
	handling   sync.Mutex  // locked while a frame is handled
	stopped    bool        // handle no more frames; guarded by handling
}

// present reports whether the connection makes its bot online.
func (c *client) present() bool { return c.bot != "" && !c.session }

// release undoes admit.
func (c *client) release() {
	c.cancel()
	c.sub.Close()
	if c.present() {
		c.server.Presence.Leave(c.org, c.bot)
	}
}

// read handles the frames of the client, one after the other, until the connection ends.
func (c *client) read() {
	defer c.server.tasks.Done()
	defer c.server.remove(c)
	defer c.release()
	for {
		if err := c.next(); err != nil {
			c.finish(err)
			return
		}
	}
}

// next handles one frame. Its bytes count for the org until it is done (B2B-LIM-032). A frame
// without room is skipped and gets an error as its reply. No buffer is held while waiting for a
// frame.
func (c *client) next() error {
	_, from, err := c.conn.Reader(context.Background())
	if err != nil {
		return err
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	reservation := c.server.Intake.Begin(c)
	defer reservation.End()
	defer c.pace.end()
	from = c.pace.begin(from)
	// One byte more than the limit, so that the library closes the connection for a larger frame.
	buf.B, err = reservation.Read(c.ctx, buf.B, from, -1, MaxFrame+1)
	var refusal *call.Error
	switch {
	case errors.As(err, &refusal):
		reservation.End()
		if _, err := io.Copy(io.Discard, from); err != nil {
			return err
		}
		c.active.Store(true)
		c.answer(appendError(nil, nil, refusal))
		return nil
	case err != nil:
		return err
	}
	c.active.Store(true)
	if err := reservation.Decode(c.ctx); err != nil {
		if e, ok := call.AsError(err); ok {
			c.answer(appendError(nil, nil, e))
		}
		return nil // the connection ends, so reading the next frame fails
	}
	c.work(buf.B, &reservation)
	return nil
}

// Payer implements [intake.Payer].
func (c *client) Payer() (share string, anonymous bool) { return c.org, false }

// finish closes a connection that the client has closed or on which it broke the protocol. The
// client has some time to read the close frame.
func (c *client) finish(err error) {
	c.cancel()
	if websocket.CloseStatus(err) == -1 {
		kill := time.AfterFunc(closeWait, c.cut)
		defer kill.Stop()
		if err := c.conn.Close(websocket.StatusProtocolError, ""); err != nil {
			c.server.Log.Debug("connection broken", "error", err)
		}
	}
	c.cut()
}

// work handles one frame, unless the connection is ending.
func (c *client) work(frame []byte, reservation *intake.Reservation) {
	c.handling.Lock()
	defer c.handling.Unlock()
	if !c.stopped && c.ctx.Err() == nil {
		c.handle(frame, reservation)
	}
}

// write sends what the subscription has, and returns when there is no more, so that an idle
// connection has no writing goroutine. The subscription calls wake when there is something again;
// at most one write runs at a time.
func (c *client) write() {
	defer c.server.tasks.Done()
	var out batch
	for c.ctx.Err() == nil {
		it, err := c.sub.Poll(c.ctx, c.wake)
		if it == nil && err == nil { // from here on wake may start another write
			return
		}
		if c.fill(&out, it) && c.sub.Waiting() && !out.full() {
			continue
		}
		c.send(&out)
		if err != nil {
			c.endFor(err)
			return
		}
	}
}

// fill adds the frames of an item, and reports whether there are any. It sends what it cannot hold.
func (c *client) fill(out *batch, it *eventlog.Item) bool {
	if it != nil && it.Presence != nil {
		for _, frames := range it.Presence.Join(frameOf) {
			if out.full() {
				c.send(out)
			}
			out.add(frames, event)
		}
		return true
	}
	frame, kind := c.frame(it)
	if frame != nil {
		out.add(frame, kind)
	}
	return frame != nil
}

// frame returns the frame to send for an item, or nil, and its kind.
func (c *client) frame(it *eventlog.Item) ([]byte, kind) {
	switch {
	case it == nil:
		return nil, 0
	case it.Event != nil:
		return frameOf(it), event
	}
	switch v := it.Local.(type) {
	case []byte:
		return textFrame(v), replyBehind
	case prompt:
		return textFrame(v), answerSoon
	}
	return nil, 0
}

// send writes frames. It waits as long as the client responds to pings.
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

// answer queues a reply behind all events that were committed before.
func (c *client) answer(frame []byte) {
	select {
	case c.answers <- struct{}{}:
		c.behind.Add(1)
		c.sub.After(frame)
	case <-c.ctx.Done():
	}
}

// prompt is a reply that does not depend on events.
type prompt []byte

// answerSoon queues a reply before all waiting events, of which there may be many, but not before
// an earlier reply (B2B-WS-015).
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

// Recheck implements subscription.Credential.
func (c *client) Recheck(ctx context.Context) (*call.Caller, error) {
	return c.server.Access.Authenticate(ctx, c.creds)
}

// check authenticates again because time has passed.
func (c *client) check(ctx context.Context) {
	var e *subscription.End
	switch err := c.sub.Check(ctx); {
	case errors.As(err, &e):
		c.end(e)
	case err != nil:
		c.server.Log.Error("credential of a connection cannot be checked", "error", err)
	}
}

// ping sends a ping, or cuts a connection that has not responded to the last one.
func (c *client) ping() {
	if !c.active.Swap(false) && c.awaitsPong.Load() {
		c.cut()
		return
	}
	c.awaitsPong.Store(true)
	c.server.tasks.Go(func() {
		if _, err := c.socket.Write(pingFrame); err != nil {
			c.server.Log.Debug("ping not sent, the client is gone", "error", err)
		}
	})
}

// pingFrame is a ping without payload. The pong needs no place to wait for it, unlike that of
// [websocket.Conn.Ping].
var pingFrame = []byte{fin | opPing, 0}

// pong takes a pong.
func (c *client) pong() {
	c.active.Store(true)
	c.awaitsPong.Store(false)
}

// end starts to close the connection with a close frame, and does not wait. It reports whether this
// call was the first.
func (c *client) end(e *subscription.End) (first bool) {
	c.closing.Do(func() {
		first = true
		c.server.stats.closed(e)
		c.cancel()
		c.server.tasks.Go(func() {
			kill := time.AfterFunc(closeWait, c.cut)
			defer kill.Stop()
			code, reason := e.Close()
			if err := c.conn.Close(websocket.StatusCode(code), reason); err != nil {
				c.server.Log.Debug("close frame not sent, the client is gone", "error", err)
			}
		})
	})
	return first
}

// drain ends the connection after the current frame and its reply.
func (c *client) drain(e *subscription.End) {
	c.handling.Lock()
	defer c.handling.Unlock()
	if !c.stopped {
		c.stopped = true
		c.sub.After(e)
	}
}

// cut ends the connection without a close frame.
func (c *client) cut() {
	c.cancel()
	_ = c.socket.Close() // it may be closed already
}
