package ws_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/store"
)

// A refused connection is opened and closed at once (B2B-WS-003).
func TestRefusedAtOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		w.dial("").closed(4001, "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket.")
		w.dial("?ticket=").closed(4001, "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket.")
		w.dial("?ticket=x").closed(4001, "Invalid or expired ticket")
		spent := w.ticket(w.ann.token)
		w.dial("?ticket=" + spent).ping()
		w.dial("?ticket="+spent).closed(4001, "Invalid or expired ticket")

		late := &store.WsTicket{Hash: auth.Hash("late"), OrgID: w.org, ExpiresAt: 1}
		if err := w.store.Update(t.Context(), w.org, func(tx store.Tx) error { return tx.CreateWsTicket(t.Context(), late) }); err != nil {
			t.Fatal(err)
		}
		w.dial("?ticket=late").closed(4001, "Invalid or expired ticket")

		var made struct{ ID, Token string }
		w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"],"expires_in":60000}`))
		expired, revoked := w.ticket(made.Token), w.ticket(made.Token)
		rejected, session := w.ticket(w.bob.token), w.ticket(w.people)
		w.skew.Store(120_000)
		w.dial("?ticket="+expired).closed(4001, "Token expired")
		w.skew.Store(0)
		w.call("DELETE", "/api/me/tokens/"+made.ID, w.bob.token, "")
		w.dial("?ticket="+revoked).closed(4001, "Invalid token")
		w.call("PATCH", "/api/org/bots/"+w.bob.id+"/status", w.people, `{"status":"rejected"}`)
		w.dial("?ticket="+rejected).closed(4403, "bot_rejected")
		suspended := w.ticket(w.ann.token)
		w.call("POST", "/api/auth/logout", w.people, "")
		w.dial("?ticket="+session).closed(4001, "Invalid ticket")
		w.call("PATCH", "/api/orgs/"+w.org, w.super, `{"status":"suspended"}`)
		w.dial("?ticket="+suspended).closed(4100, "Organization is not active")
	})
}

func TestCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		thread := w.thread(w.ann.token, "bob")
		s := w.open(w.bob.token)
		w.say(w.ann.token, thread, "one")
		first := s.wants("thread_message")[0]
		s.hang()
		w.say(w.ann.token, thread, "two")
		again := w.dial("?ticket=" + w.ticket(w.bob.token) + "&cursor=" + first.Cursor)
		again.wants("thread_message")
		again.ping()
		w.dial("?ticket="+w.ticket(w.bob.token)+"&cursor=bad").closed(4009, "VALIDATION_ERROR")
		w.dial("?ticket="+w.ticket(w.bob.token)+"&cursor=1.0.0.other").closed(4009, "EPOCH_CHANGED")
	})
}

// Of many connections with the same ticket, one is accepted.
func TestTicketIsSpentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		ticket := w.ticket(w.ann.token)
		var in atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			s := w.dial("?ticket=" + ticket)
			all.Go(func() {
				if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil {
					return
				}
				if _, err := s.read(); err == nil {
					in.Add(1)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%d were accepted", in.Load())
		}
	})
}

func TestNoUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.http.URL+"/ws?ticket="+w.ticket(w.ann.token), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Upgrade", "websocket") // and no Connection: Upgrade
		res, err := w.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close() // only the status counts
		if res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("status %d", res.StatusCode)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		a, b, oa := w.open(w.ann.token), w.open(w.ann.token), w.open(w.people)
		a.send(`{"type":"send_dm","to":"bob","content":"x","ref":1}`, `{"type":"send_dm","ref":2}`,
			`{"type":"thread_create","topic":"x","ref":3}`)
		for _, s := range []*socket{a, b, oa} {
			s.settle()
		}
		clients, bots := w.sockets.Connections()
		st := w.sockets.Stats()
		if clients != 3 || bots != 1 || st.ByType.BotToken != 2 || st.ByType.Session != 1 || len(st.ByBot) != 1 || st.ByBot[0].Count != 2 ||
			st.ByAge.Under_1M != 3 || st.ReconnectRate_5M != 0.2 {
			t.Errorf("%d clients, %d bots, %v", clients, bots, st)
		}
		if m := st.WsMetrics; m.OpsTotal != 3 || m.AcksTotal != 2 || m.ErrorsTotal != 1 {
			t.Errorf("frames: %v", m)
		}
		w.dial("?ticket=unknown").closed(4001, "Invalid or expired ticket")
		if n := w.sockets.Counts(); n.Bots != 2 || n.Sessions != 1 || n.Closed[4001] != 1 || len(n.Closed) != 1 {
			t.Errorf("the numbers are %+v", n)
		}
	})
}

// settle reads all frames up to the pong.
func (s *socket) settle() {
	s.Helper()
	s.send(`{"type":"ping"}`)
	for s.next().Type != "pong" {
	}
}
