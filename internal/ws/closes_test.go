package ws_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/ws"
)

// Revoking a credential closes its connections with the code of the table, and no others
// (B2B-WS-005).
func TestClosedByRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		ann, admin := w.open(w.ann.token), w.open(w.people)

		out := w.owner(w.bob)
		owner, byToken := w.open(out), w.open(w.bob.token)
		w.call("POST", "/api/auth/logout", out, "")
		owner.closed(4002, "Session revoked")

		owner = w.open(w.owner(w.bob))
		for range 5 {
			time.Sleep(2 * time.Millisecond)
			w.owner(w.bob)
		}
		owner.closed(4002, "Session evicted")

		var made struct{ ID, Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"]}`))
		scoped := w.open(made.Token)
		w.call("DELETE", "/api/me/tokens/"+made.ID, w.bob.token, "")
		scoped.closed(4002, "Token revoked")
		byToken.settle()

		w.call("PATCH", "/api/org/bots/"+w.bob.id+"/status", w.people, `{"status":"rejected"}`)
		byToken.wants("bot_status_changed")
		byToken.closed(4403, "bot_rejected")

		eve := w.register("eve")
		gone := w.open(eve.token)
		w.call("DELETE", "/api/me", eve.token, "")
		gone.closed(4002, "Token regenerated")

		var secret struct{ Org_Secret string }
		w.into(&secret, w.call("POST", "/api/org/rotate-secret", w.ann.token, ""))
		admin.closed(4002, "Credential rotated")
		w.secret = secret.Org_Secret
		ann.settle()

		admin = w.open(w.admin())
		w.call("PATCH", "/api/orgs/"+w.org, w.super, `{"status":"suspended"}`)
		ann.closed(4100, "Organization suspended")
		admin.closed(4100, "Organization suspended")
		w.call("PATCH", "/api/orgs/"+w.org, w.super, `{"status":"active"}`)
		ann, admin = w.open(w.ann.token), w.open(w.admin())
		w.call("DELETE", "/api/orgs/"+w.org, w.super, "")
		ann.closed(4101, "Organization destroyed")
		admin.closed(4101, "Organization destroyed")
	})
}

// B2B-WS-030: credentials that expire are found by checking them again.
func TestClosedByExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Long enough for a busy machine to respond to a ping in time.
		w := newFixture(t, func(c *ws.Config) { c.Heartbeat = 1500 * time.Millisecond })
		var made struct{ Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"],"expires_in":3600000}`))
		bob, session, scoped := w.open(w.bob.token), w.open(w.owner(w.bob)), w.open(made.Token)
		var reading sync.WaitGroup
		reading.Go(func() { scoped.closed(4001, "Token expired") })
		reading.Go(func() { session.closed(4002, "Session expired") })
		w.skew.Store((25 * time.Hour).Milliseconds())
		closed := make(chan struct{})
		go func() { reading.Wait(); close(closed) }()
		for { // while the others are closed
			bob.settle()
			select {
			case <-closed:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

// B2B-WS-030: a token is checked when it expires, not only at the next regular check.
func TestClosedAtExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life = 1500 * time.Millisecond
		w := newFixture(t, func(c *ws.Config) { c.Heartbeat = time.Minute })
		var others []*socket // each is looked at 2 s after the one before
		for range 8 {
			others = append(others, w.open(w.bob.token))
		}
		var made struct{ Token string }
		began := time.Now()
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"],"expires_in":1500}`))
		scoped, session := w.open(made.Token), w.open(w.owner(bot{token: made.Token}))
		scoped.closed(4001, "Token expired")
		session.closed(4002, "Session expired")
		if took := time.Since(began); took < life || took > patience {
			t.Errorf("a token of %v was closed after %v", life, took)
		}
		for _, s := range others {
			s.settle()
		}
	})
}

// B2B-WS-008: a client that does not respond to pings is cut; one that does stays.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, func(c *ws.Config) { c.Heartbeat = 60 * time.Millisecond })
		alive := w.open(w.ann.token)
		go func() { // reading answers pings
			for {
				if _, err := alive.read(); err != nil {
					return
				}
			}
		}()
		conn, r := w.dead()
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for {
			if _, err := r.ReadByte(); err != nil {
				break
			}
		}
		if took := time.Since(began); took >= patience {
			t.Error("a dead client is kept")
		}
		time.Sleep(200 * time.Millisecond)
		if clients, _ := w.sockets.Connections(); clients != 1 {
			t.Errorf("%d connections are left, want 1", clients)
		}
		alive.hang()
	})
}

// dead opens a connection that responds to nothing.
func (w *fixture) dead() (net.Conn, *bufio.Reader) {
	w.Helper()
	host := strings.TrimPrefix(w.http.URL, "http://")
	conn, err := w.network.DialContext(w.Context(), "tcp", host)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() }) // it may be closed already
	_, err = fmt.Fprintf(conn, "GET /ws?ticket=%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", w.ticket(w.bob.token), host)
	if err != nil {
		w.Fatal(err)
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		w.Fatal(res, err)
	}
	return conn, r
}

// A client that does not read gets 4008 when it reads again, and does not delay others.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The client does not respond to pings either, and a busy machine may need minutes.
		w := newFixture(t, func(c *ws.Config) {
			hub := eventlog.New(eventlog.Config{Store: c.Store.(*sqlstore.Store), Queue: 16})
			t.Cleanup(hub.Close)
			c.Heartbeat, c.Hub = time.Hour, hub
		})
		w.call("PATCH", "/api/org/settings", w.people, `{"messages_per_minute_per_bot":10000}`)
		thread := w.thread(w.ann.token, "bob")
		quick, slow := w.open(w.ann.token), w.open(w.bob.token)
		text := strings.Repeat("x", 60000)
		var last frame
		var reading sync.WaitGroup
		for n := range 80 { // far more than what the network buffers
			w.say(w.ann.token, thread, text)
			quick.wants("thread_message")
			switch n {
			case 50: // the queue is full, and stays so for longer than it may
				time.Sleep(1500 * time.Millisecond)
			case 51: // it is closed, and has some seconds to read that
				reading.Go(func() { last = slow.closed(4008, "slow consumer, resume from your cursor") })
			}
		}
		reading.Wait()
		again := w.dial("?ticket=" + w.ticket(w.bob.token) + "&cursor=" + last.Cursor)
		if last.Cursor == "" || again.next().Type != "thread_message" {
			t.Error("it cannot resume")
		}
	})
}

// A server that stops finishes current operations, then sends close frames.
func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		thread := w.thread(w.ann.token)
		s, oa := w.open(w.ann.token), w.open(w.people)
		s.send(`{"type":"send_thread_message","thread_id":"` + thread + `","content":"last","ref":1}`)
		s.wants("thread_message", "ack")
		_, _ = w.dead()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			w.sockets.Close(ctx, subscription.ServerRestarting)
		}()
		s.closed(1012, "Service restart")
		oa.closed(1012, "Service restart")
		select {
		case <-stopped:
		case <-time.After(patience):
			t.Fatal("it does not stop")
		}
		w.dial("?ticket="+w.ticket(w.ann.token)).closed(1012, "Service restart")
	})
}
