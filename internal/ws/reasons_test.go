package ws_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/internal/ws"
)

// newUnnoticed returns a fixture with a hub that learns of events only when it is asked.
func newUnnoticed(t *testing.T, edit ...func(*ws.Config)) *fixture {
	t.Helper()
	return newFixture(t, append(edit, func(c *ws.Config) {
		hub := eventlog.New(eventlog.Config{Store: sqltest.Unnoticed{Store: c.Store.(*sqlstore.Store)}})
		t.Cleanup(hub.Close)
		c.Hub = hub
	})...)
}

// B2B-WS-005: a check of the credential that comes before the event of the log closes the
// connection with the reason of the log.
func TestCheckBeforeLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newUnnoticed(t)
		stays := w.open(w.ann.token)

		out := w.owner(w.bob)
		loggedOut := w.open(out)
		w.call("POST", "/api/auth/logout", out, "")
		w.sockets.CheckAll()
		loggedOut.closed(4002, "Session revoked")

		evicted := w.open(w.owner(w.bob))
		for range 5 {
			time.Sleep(2 * time.Millisecond) // sessions are ordered by milliseconds
			w.owner(w.bob)
		}
		w.sockets.CheckAll()
		evicted.closed(4002, "Session evicted")

		var made struct{ ID, Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"]}`))
		scoped := w.open(made.Token)
		w.call("DELETE", "/api/me/tokens/"+made.ID, w.bob.token, "")
		w.sockets.CheckAll()
		scoped.closed(4002, "Token revoked")

		eve := w.register("eve")
		w.into(&made, w.call("POST", "/api/me/tokens", eve.token, `{"scopes":["read"]}`))
		gone := []*socket{w.open(eve.token), w.open(made.Token), w.open(w.owner(eve))}
		w.call("DELETE", "/api/me", eve.token, "")
		w.sockets.CheckAll()
		for _, s := range gone {
			s.closed(4002, "Token regenerated")
		}

		admin := w.open(w.people)
		w.call("POST", "/api/org/rotate-secret", w.ann.token, "")
		w.sockets.CheckAll()
		admin.closed(4002, "Credential rotated")

		stays.settle()
		w.call("DELETE", "/api/orgs/"+w.org, w.super, "")
		w.sockets.CheckAll()
		stays.closed(4101, "Organization destroyed")
	})
}

// B2B-WS-005: a change of access immediately before the bot is deleted does not hide the reason.
func TestDeletedAfterAnotherChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newUnnoticed(t)
		eve := w.register("eve")
		var made struct{ ID, Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", eve.token, `{"scopes":["read"]}`))
		gone, scoped := w.open(eve.token), w.open(made.Token)
		w.call("DELETE", "/api/me/tokens/"+made.ID, eve.token, "")
		w.call("DELETE", "/api/me", eve.token, "")
		w.sockets.CheckAll()
		gone.closed(4002, "Token regenerated")
		// Its token was revoked, too: the log of that may reach it before its own check.
		scoped.closed(4002, "Token regenerated", "Token revoked")
	})
}

// B2B-WS-030: the log has no record of a session that expires, so its connection ends without
// waiting for the events before, which a client that does not read never takes.
func TestExpiryOfSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, func(c *ws.Config) { c.Heartbeat = time.Hour })
		w.call("PATCH", "/api/org/settings", w.people, `{"messages_per_minute_per_bot":10000}`)
		thread := w.thread(w.ann.token, "bob")
		bob := w.open(w.bob.token)
		text := strings.Repeat("x", 60000)
		var from string
		for range 20 { // more than what the network buffers, less than what makes the reader too slow
			w.say(w.ann.token, thread, text)
			if f := bob.wants("thread_message")[0]; from == "" {
				from = f.Cursor
			}
		}
		var made struct{ Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"],"expires_in":1500}`))
		expired := time.After(1500 * time.Millisecond)
		slow := w.dial("?ticket=" + w.ticket(w.owner(bot{token: made.Token})) + "&cursor=" + from)
		<-expired
		w.sockets.CheckAll()
		if n := w.sockets.Ending(); n != 1 {
			t.Errorf("%d connections are ending when the session has expired, want 1", n)
		}
		slow.closed(4002, "Session expired")
		bob.settle()
	})
}
