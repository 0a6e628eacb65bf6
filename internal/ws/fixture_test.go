package ws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/presence"
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// fixture is a node with an org: ann is its admin bot, bob another bot. It has no sockets, so it
// works in a bubble, where its waits take no time.
type fixture struct {
	testing.TB
	store         *sqlstore.Store
	sockets       *ws.Server
	network       nettest.Network
	http          *httptest.Server
	skew          atomic.Int64 // milliseconds by which the clock of package auth is ahead
	org, secret   string
	super, people string // cookies
	ann, bob      bot
}

type bot struct{ id, token string }

func newFixture(t testing.TB, edit ...func(*ws.Config)) *fixture {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := &fixture{TB: t, store: st}
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return time.Now().Add(time.Duration(w.skew.Load()) * time.Millisecond) }
	access := auth.New(auth.Config{Store: store.NarrowViews(st, func(r store.Reader) auth.Reader { return r }, func(tx store.Tx) auth.Tx { return tx }), Log: log, Now: now, AdminSecret: "s", Single: true})
	tickets := &auth.Tickets{Store: store.Narrow(st, func(tx store.Tx) auth.TicketTx { return tx })}
	services := service.New(service.Deps{
		Tickets: tickets, Throttle: &auth.Throttle{Store: store.Narrow(st, func(tx store.Tx) auth.ThrottleTx { return tx }), Now: time.Now},
		Store: store.NarrowViews(st, func(r store.Reader) service.Reader { return r }, func(tx store.Tx) service.Tx { return tx }), Access: access, Log: log, Now: time.Now, Config: service.Config{AdminSecret: "s"},
	})
	operations := services.Operations()
	pipeline := call.NewPipeline(access, log, false)
	hub := eventlog.New(eventlog.Config{Store: st})
	self := node.New(node.Config{Store: store.Narrow(st, func(tx store.Tx) node.Tx { return tx }), Single: true, Log: log})
	online := presence.New(presence.Config{Store: store.Narrow(st, func(tx store.Tx) presence.Tx { return tx }), Node: self, Now: time.Now, Log: log})
	c := ws.Config{Operations: operations, Pipeline: pipeline, Hub: hub, Access: access, Presence: online, Store: st, Tickets: tickets, Log: log}
	for _, e := range edit {
		e(&c)
	}
	w.sockets = ws.New(c)
	overREST, err := rest.New(rest.Config{Operations: operations, Pipeline: pipeline, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w.http = w.network.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if ws.IsUpgrade(r) {
			w.sockets.ServeHTTP(rw, r)
			return
		}
		overREST.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		w.sockets.Close(ctx, subscription.ServerStopping)
		w.http.Close()
		err := online.Close(context.Background())
		hub.Close()
		if err := errors.Join(err, access.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	w.super = w.login(`{"type":"super_admin","admin_secret":"s"}`)
	var org struct{ ID, Org_Secret string }
	w.into(&org, w.call("POST", "/api/orgs", w.super, `{"name":"o"}`))
	w.org, w.secret = org.ID, org.Org_Secret
	w.people = w.admin()
	w.ann, w.bob = w.register("ann"), w.register("bob")
	w.call("PATCH", "/api/org/bots/"+w.ann.id+"/role", w.people, `{"auth_role":"admin"}`)
	return w
}

func (w *fixture) login(body string) string {
	w.Helper()
	res, err := w.http.Client().Post(w.http.URL+"/api/auth/login", "application/json", strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	_ = res.Body.Close() // only the cookie counts
	for _, c := range res.Cookies() {
		return c.Name + "=" + c.Value
	}
	w.Fatalf("login: %s", res.Status)
	return ""
}

func (w *fixture) admin() string {
	return w.login(`{"type":"org_admin","org_id":"` + w.org + `","org_secret":"` + w.secret + `"}`)
}

func (w *fixture) owner(b bot) string { return w.login(`{"type":"bot","token":"` + b.token + `"}`) }

func (w *fixture) register(name string) bot {
	w.Helper()
	var b struct{ Bot_ID, Token string }
	w.into(&b, w.call("POST", "/api/auth/register", "", `{"org_id":"`+w.org+`","org_secret":"`+w.secret+`","name":"`+name+`"}`))
	if b.Bot_ID == "" || b.Token == "" {
		w.Fatalf("registered %+v", b)
	}
	return bot{b.Bot_ID, b.Token}
}

// call makes a REST call with a cookie or a token, which must succeed.
func (w *fixture) call(method, path, as, body string) []byte {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.http.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(as, call.SessionCookie) {
		req.Header.Set("Cookie", as)
	} else if as != "" {
		req.Header.Set("Authorization", "Bearer "+as)
	}
	res, err := w.http.Client().Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		w.Fatalf("%s %s: %s %s %v", method, path, res.Status, b, err)
	}
	return b
}

func (w *fixture) into(v any, b []byte) {
	w.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		w.Fatalf("%s: %v", b, err)
	}
}

func (w *fixture) ticket(as string) string {
	w.Helper()
	var t struct{ Ticket string }
	w.into(&t, w.call("POST", "/api/ws-ticket", as, ""))
	return t.Ticket
}

func (w *fixture) thread(as string, participants ...string) string {
	w.Helper()
	list, err := json.Marshal(append([]string{}, participants...))
	if err != nil {
		w.Fatal(err)
	}
	var t struct{ ID string }
	w.into(&t, w.call("POST", "/api/threads", as, `{"topic":"t","participants":`+string(list)+`}`))
	return t.ID
}

func (w *fixture) say(as, thread, text string) {
	w.Helper()
	w.call("POST", "/api/threads/"+thread+"/messages", as, `{"content":"`+text+`"}`)
}

// socket is the client's end of a connection.
type socket struct {
	*fixture
	conn *websocket.Conn
}

// dial opens a connection with a query.
func (w *fixture) dial(query string) *socket {
	w.Helper()
	conn, _, err := websocket.Dial(w.Context(), "ws"+strings.TrimPrefix(w.http.URL, "http")+"/ws"+query, &websocket.DialOptions{HTTPClient: w.http.Client()})
	if err != nil {
		w.Fatal(err)
	}
	conn.SetReadLimit(-1)
	w.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	return &socket{w, conn}
}

func (w *fixture) open(as string) *socket { return w.dial("?ticket=" + w.ticket(as)) }

func (s *socket) send(frames ...string) {
	s.Helper()
	for _, f := range frames {
		if err := s.conn.Write(s.Context(), websocket.MessageText, []byte(f)); err != nil {
			s.Fatalf("send %s: %v", f, err)
		}
	}
}

func (s *socket) read() ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	return b, err
}

// frame is the part of a frame that tests check.
type frame struct {
	Type, Code, Cursor string
	Ref                json.RawMessage
	Result             map[string]any
	Message            json.RawMessage
	raw                string
}

// next returns the next frame that is not about presence.
func (s *socket) next() frame {
	s.Helper()
	for {
		b, err := s.read()
		if err != nil {
			s.Fatalf("read: %v", err)
		}
		f := frame{raw: string(b)}
		s.into(&f, b)
		if f.Type != "bot_online" && f.Type != "bot_offline" {
			return f
		}
	}
}

// wants reads frames of these types.
func (s *socket) wants(types ...string) (got []frame) {
	s.Helper()
	for _, want := range types {
		f := s.next()
		if f.Type != want {
			s.Fatalf("got %s, want %s", f.raw, want)
		}
		got = append(got, f)
	}
	return got
}

// ping waits for a pong, so that all earlier frames are handled.
func (s *socket) ping() {
	s.Helper()
	s.send(`{"type":"ping"}`)
	s.wants("pong")
}

// closed reads until the connection is closed with this code and one of these reasons. It returns the
// last frame.
func (s *socket) closed(code int, reasons ...string) (last frame) {
	s.Helper()
	for {
		b, err := s.read()
		if err == nil {
			last = frame{raw: string(b)}
			s.into(&last, b)
			continue
		}
		var e websocket.CloseError
		if !errors.As(err, &e) || int(e.Code) != code || !slices.Contains(reasons, e.Reason) {
			s.Errorf("ended with %v, want %d %q", err, code, reasons)
		}
		return last
	}
}

func (s *socket) hang() { _ = s.conn.CloseNow() }

// compact writes JSON in one line.
func compact(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b.String()
}
