package b2b_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// A hub is a stand-in for a server, reached without a network, so that time is that of the test. Its
// log has the messages 1, 2, …; the position of each is its number.
type hub struct {
	b2bv1connect.UnimplementedEventServiceHandler
	b2bv1connect.UnimplementedWebSocketServiceHandler
	ended chan struct{}
	web   *http.Client

	mu      sync.Mutex
	log     int
	grown   chan struct{}
	opened  []opening
	faults  []fault // of the next connections; then none
	tickets []error // of the next tickets; then none
	open    int     // connections for events
	most    int     // of them at a time
}

// opening is an attempt to open a connection for events.
type opening struct {
	at     time.Time
	path   string // "/ws" or "/api/events"
	cursor string
}

// fault is what happens to a connection.
type fault struct {
	status int           // refused with it
	body   string        // with the status
	events int           // ends after so many events
	code   int           // with this close code; 0: broken
	reason string        // of the close frame; for a stream, "error " or "resume " and JSON
	after  time.Duration // ends then, if not after events
	silent bool          // nothing is sent or answered
	twice  bool          // every event is sent twice
}

func startHub(t *testing.T) *hub {
	h := &hub{grown: make(chan struct{}), ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewEventServiceHandler(h))
	mux.Handle(b2bv1connect.NewWebSocketServiceHandler(h))
	mux.HandleFunc("/ws", h.serve)
	mux.HandleFunc("/api/events", h.serve)
	h.web = servePipes(t, mux)
	t.Cleanup(func() { close(h.ended) }) // before the server closes
	return h
}

func (h *hub) client(opts ...b2b.Option) *b2b.Client {
	return b2b.New("http://b2b.test", append([]b2b.Option{b2b.WithToken("t"), b2b.WithHTTPClient(h.web)}, opts...)...)
}

// write adds n messages to the log.
func (h *hub) write(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log += n
	close(h.grown)
	h.grown = make(chan struct{})
}

func (h *hub) state() (log int, grown chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log, h.grown
}

func (h *hub) attempts() []opening {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.opened)
}

func (h *hub) ListCatchupEvents(context.Context, *b2bv1.ListCatchupEventsRequest) (*b2bv1.ListCatchupEventsResponse, error) {
	log, _ := h.state()
	position := strconv.Itoa(log)
	return &b2bv1.ListCatchupEventsResponse{StreamCursor: &position}, nil
}

func (h *hub) CreateTicket(context.Context, *b2bv1.CreateTicketRequest) (*b2bv1.CreateTicketResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.tickets) > 0 {
		err := h.tickets[0]
		h.tickets = h.tickets[1:]
		if err != nil {
			h.opened = append(h.opened, opening{at: time.Now(), path: "ticket"})
			return nil, err
		}
	}
	return &b2bv1.CreateTicketResponse{Ticket: "ticket"}, nil
}

func message(n int) string {
	return fmt.Sprintf(`{"type":"message","channel_id":"c","message":{"id":"%d","content":"%d"},"sender_name":"writer","cursor":"%d"}`, n, n, n)
}

// serve serves a WebSocket or a stream.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.opened = append(h.opened, opening{time.Now(), r.URL.Path, r.URL.Query().Get("cursor")})
	var f fault
	if len(h.faults) > 0 {
		f, h.faults = h.faults[0], h.faults[1:]
	}
	leave := func() {}
	if !f.silent { // the server does not see that the client has left
		h.open++
		h.most = max(h.most, h.open)
		leave = sync.OnceFunc(func() {
			h.mu.Lock()
			h.open--
			h.mu.Unlock()
		})
	}
	defer leave()
	at := h.log
	h.mu.Unlock()
	if f.status != 0 {
		w.WriteHeader(f.status)
		fmt.Fprint(w, f.body)
		return
	}
	if f.silent && r.URL.Path != "/ws" {
		<-r.Context().Done()
		return
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		at, _ = strconv.Atoi(cursor)
	}
	var send func(n int) error
	var end func()
	ctx := r.Context()
	if r.URL.Path == "/ws" {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if f.silent {
			<-h.ended
			return
		}
		ctx = conn.CloseRead(context.WithoutCancel(ctx))
		send = func(n int) error { return conn.Write(ctx, websocket.MessageText, []byte(message(n))) }
		end = func() {
			if f.code != 0 {
				_ = conn.Close(websocket.StatusCode(f.code), f.reason)
			}
		}
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, ": heartbeat\nid: %d\n\n", at)
		_ = http.NewResponseController(w).Flush()
		send = func(n int) error {
			_, err := fmt.Fprintf(w, "id: %d\nevent: message\ndata: %s\n\n", n, message(n))
			return errors.Join(err, http.NewResponseController(w).Flush())
		}
		end = func() {
			if kind, data, ok := strings.Cut(f.reason, " "); ok {
				fmt.Fprintf(w, ": the stream ends\nevent: %s\ndata: %s\n\n", kind, data)
			}
		}
	}
	defer func() {
		leave() // the client may be back before the close is answered
		end()
	}()
	if f.code != 0 && f.events == 0 && f.after == 0 {
		return
	}
	var timeUp <-chan time.Time
	if f.after > 0 {
		timeUp = time.After(f.after)
	}
	for sent := 0; ; {
		log, grown := h.state()
		for ; at < log; at++ {
			if f.events > 0 && sent == f.events {
				return
			}
			if send(at+1) != nil {
				return
			}
			if sent++; f.twice && send(at+1) != nil {
				return
			}
		}
		if f.events > 0 && sent == f.events {
			return
		}
		heartbeat := time.After(15 * time.Second)
		select {
		case <-grown:
		case <-timeUp:
			return
		case <-heartbeat:
			if r.URL.Path != "/ws" {
				fmt.Fprintf(w, ": heartbeat\nid: %d\n\n", at)
				_ = http.NewResponseController(w).Flush()
			}
		case <-ctx.Done():
			return
		}
	}
}

// content returns the number of a message; 0 for another event.
func content(e *b2b.Event) int {
	n, _ := strconv.Atoi(e.GetMessage().GetMessage().GetContent())
	return n
}

// memory is a PositionStore.
type memory struct {
	mu       sync.Mutex
	position string
	saves    int
	fails    int // so many saves
}

func (m *memory) Load(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position, nil
}

func (m *memory) Save(_ context.Context, position string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saves++; m.saves <= m.fails {
		return errors.New("the disk is full")
	}
	m.position = position
	return nil
}

var transports = map[string]b2b.Transport{"WebSocket": b2b.WebSocket, "stream": b2b.ServerSentEvents, "any": b2b.AnyTransport}

// TestListenThroughFaults: whatever happens to its connections, a listener delivers each event once,
// in order, with one connection at a time (B2B-SDK-010, B2B-SDK-012, B2B-SDK-016).
func TestListenThroughFaults(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				for i := range 40 {
					h.faults = append(h.faults, []fault{
						{events: 1 + i}, {status: 503}, {events: 3, code: 4008, reason: "slow"}, {after: time.Minute},
						{events: 20, twice: true}, {silent: true}, {events: 7, code: 1012, reason: "Service restart"},
						{events: 7, code: 4001, reason: "Invalid or expired ticket"}, {status: 429}, {twice: true, after: 30 * time.Second},
					}[i%10])
				}
				var writer sync.WaitGroup
				defer writer.Wait()
				writer.Go(func() {
					for range 1000 {
						h.write(2)
						time.Sleep(time.Second)
					}
				})
				time.Sleep(1500 * time.Millisecond)
				want := 0
				for e, err := range h.client().Listen(t.Context(), b2b.WithTransport(transport)) {
					if err != nil {
						t.Fatal(err)
					}
					if want == 0 {
						want = content(e)
					}
					if content(e) != want || e.Position != strconv.Itoa(want) {
						t.Fatalf("event %s at %s, want %d", e.Raw, e.Position, want)
					}
					if want++; want > 2000 {
						break
					}
				}
				if len(h.faults) > 0 || h.most > 1 {
					t.Errorf("%d faults did not happen; %d connections at a time", len(h.faults), h.most)
				}
			})
		})
	}
}

// TestListenStart: a listener starts at the position that it is given, else at the stored one, else
// at the present, and loses nothing if its first connection ends before any event (B2B-SDK-012).
func TestListenStart(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		for _, c := range []struct{ given, stored, want string }{{"3", "5", "4"}, {"", "5", "6"}, {"", "", "11"}} {
			t.Run(name+c.want, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := startHub(t)
					h.write(10)
					h.faults = []fault{{after: time.Second}}
					time.AfterFunc(time.Second+time.Millisecond, func() { h.write(1) }) // while there is no connection
					if c.want != "11" {
						h.faults = nil
					}
					store := &memory{position: c.stored}
					for e, err := range h.client().Listen(t.Context(), b2b.FromPosition(c.given), b2b.WithPositionStore(store), b2b.WithTransport(transport)) {
						if err != nil || e.Position != c.want {
							t.Errorf("the first event is at %v, %v; want %s", e, err, c.want)
						}
						break
					}
				})
			})
		}
	}
}

// TestCommit: an event is committed when the loop asks for the next one, or by hand; a store that
// fails is tried again (B2B-SDK-011).
func TestCommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		manual bool
		commit func([]*b2b.Event)
		fails  int
		want   string
	}{
		"automatic":     {want: "4"},
		"store fails":   {fails: 1, want: "4"},
		"manual, none":  {manual: true, want: "0"},
		"manual":        {manual: true, commit: func(e []*b2b.Event) { e[2].Commit() }, want: "3"},
		"never back":    {manual: true, commit: func(e []*b2b.Event) { e[2].Commit(); e[0].Commit() }, want: "3"},
		"automatic, no": {commit: func(e []*b2b.Event) { e[0].Commit() }, want: "4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				store := &memory{fails: c.fails}
				opts := []b2b.ListenOption{b2b.WithPositionStore(store)}
				if c.manual {
					opts = append(opts, b2b.WithManualCommit())
				}
				time.AfterFunc(time.Second, func() { h.write(5) })
				var got []*b2b.Event
				for e, err := range h.client().Listen(t.Context(), opts...) {
					if err != nil {
						t.Fatal(err)
					}
					if got = append(got, e); len(got) == 5 {
						if c.commit != nil {
							c.commit(got)
						}
						break // the fifth is not committed
					}
				}
				if store.position != c.want {
					t.Errorf("the stored position is %q, want %q", store.position, c.want)
				}
			})
		})
	}
}

// TestListenStops: what trying again does not help ends the loop, with the code (B2B-SDK-020).
func TestListenStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport b2b.Transport
		fault     fault
		ticket    error
		want      b2bv1.ErrorCode
	}{
		"close":  {b2b.WebSocket, fault{code: 4002, reason: "Token revoked"}, nil, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN},
		"ticket": {b2b.WebSocket, fault{}, refusal(16, b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED, 0), b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED},
		"stream": {b2b.ServerSentEvents, fault{after: time.Second, reason: `error {"error": "x", "code": "INVALID_TOKEN"}`}, nil, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN},
		"status": {b2b.ServerSentEvents, fault{status: 403, body: `{"error": "x", "code": "ORG_DESTROYED"}`}, nil, b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				h.faults, h.tickets = []fault{c.fault}, []error{c.ticket}
				var last error
				for _, err := range h.client().Listen(t.Context(), b2b.WithTransport(c.transport)) {
					last = err
				}
				if b2b.CodeOf(last) != c.want || len(h.attempts()) != 1 {
					t.Errorf("%d attempts, %v", len(h.attempts()), last)
				}
			})
		})
	}
	for _, err := range b2b.New("http://b2b.test", b2b.WithToken("")).Listen(t.Context()) {
		if !errors.As(err, new(*b2b.ConfigError)) {
			t.Errorf("without a token: %v", err)
		}
	}
}

// TestListenPauses: how long a listener waits before it connects again (B2B-SDK-020, B2B-SDK-021).
func TestListenPauses(t *testing.T) {
	t.Parallel()
	pauses := func(t *testing.T, faults []fault, tickets []error) (all []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			h := startHub(t)
			h.faults, h.tickets = faults, tickets
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			for _, err := range h.client().Listen(ctx, b2b.FromPosition("0"), b2b.WithTransport(b2b.WebSocket)) {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
			for i, o := range h.attempts() {
				if i > 0 {
					all = append(all, o.at.Sub(h.opened[i-1].at))
				}
			}
		})
		return all
	}
	restart := fault{code: 1012, reason: "Service restart"}
	t.Run("random", func(t *testing.T) {
		t.Parallel()
		var longest [8]time.Duration
		for range 40 {
			for i, p := range pauses(t, []fault{restart, restart, restart, restart, restart, restart, restart, restart}, nil) {
				longest[i] = max(longest[i], p)
			}
		}
		for i, got := range longest {
			if limit := min(time.Second<<i, 30*time.Second); got > limit || got < limit/2 {
				t.Errorf("the longest of 40 pauses after failure %d is %v, want at most and near %v", i+1, got, limit)
			}
		}
	})
	t.Run("stable", func(t *testing.T) {
		t.Parallel()
		for range 20 {
			lasted := fault{after: 11 * time.Second, code: 1012}
			for _, p := range pauses(t, []fault{lasted, lasted, lasted, lasted}, nil) {
				if p < 11*time.Second || p > 12*time.Second {
					t.Errorf("after a connection of 11 s the pause is %v", p-11*time.Second)
				}
			}
		}
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		slow := fault{code: 4008, reason: "slow"}
		if p := pauses(t, []fault{slow, slow, slow}, nil); p[0] != 0 || p[1] == 0 || p[1] > time.Second {
			t.Errorf("the pauses are %v, want none and then random ones", p)
		}
	})
	t.Run("wait", func(t *testing.T) {
		t.Parallel()
		if p := pauses(t, []fault{{code: 4100, reason: "Organization suspended"}}, nil); p[0] < 30*time.Second || p[0] > 36*time.Second {
			t.Errorf("the pause is %v, want 30 to 36 s", p[0])
		}
	})
	for stated, want := range map[int32]time.Duration{50: 50 * time.Second, 60: time.Minute, 100: time.Minute, math.MaxInt32: time.Minute} {
		t.Run(fmt.Sprintf("stated %d", stated), func(t *testing.T) {
			t.Parallel()
			p := pauses(t, nil, []error{refusal(14, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, stated)})
			if len(p) == 0 || p[0] < want || p[0] > want*6/5 {
				t.Errorf("the pauses are %v, want one of %v to %v", p, want, want*6/5)
			}
		})
	}
}

// TestResync: a position that cannot be served becomes an item in its place, and what follows is
// after the position at which it was made (B2B-SDK-022).
func TestResync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport b2b.Transport
		fault     fault
	}{
		"WebSocket": {b2b.WebSocket, fault{code: 4009, reason: "CURSOR_EXPIRED"}},
		"stream":    {b2b.ServerSentEvents, fault{status: 410, body: `{"error": "x", "code": "CURSOR_EXPIRED"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				h.write(10)
				h.faults = []fault{{events: 2}, c.fault}
				store := &memory{position: "4"}
				var got []string
				for e, err := range h.client().Listen(t.Context(), b2b.WithPositionStore(store), b2b.WithTransport(c.transport)) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Type+e.Position)
					if e.Type == b2b.Resync {
						if e.Reason != b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED || e.GetMessage() != nil {
							t.Errorf("the resync is %+v", e)
						}
						h.write(1)
					}
					if e.Position == "11" {
						break
					}
				}
				if want := []string{"message5", "message6", "resync10", "message11"}; !slices.Equal(got, want) {
					t.Errorf("the items are %v, want %v", got, want)
				}
				if store.position != "10" {
					t.Errorf("the stored position is %s", store.position)
				}
			})
		})
	}
}

// TestSilence: a connection that does not open, or on which nothing arrives, is replaced
// (B2B-SDK-023). One with pongs or heartbeats is not.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]b2b.Transport{"WebSocket": b2b.WebSocket, "stream": b2b.ServerSentEvents} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				h.faults = []fault{{silent: true}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for range h.client().Listen(ctx, b2b.WithTransport(transport)) {
				}
				at := h.attempts()
				if len(at) != 2 {
					t.Fatalf("%d connections in an hour, want 2", len(at))
				}
				// The library gives up a ping that cannot be written after 5 s.
				if d := at[1].at.Sub(at[0].at); d < 5*time.Second || d > 11*time.Second {
					t.Errorf("the silent connection was replaced after %v", d)
				}
			})
		})
	}
}

// TestFallback: where WebSockets do not work, a listener uses a stream (B2B-SDK-024).
func TestFallback(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults []fault
		want   []string
	}{
		"refused":          {[]fault{{status: 400}}, []string{"/ws", "/api/events"}},
		"once unavailable": {[]fault{{status: 503}}, []string{"/ws", "/ws"}},
		"unavailable":      {[]fault{{status: 503}, {status: 502}}, []string{"/ws", "/ws", "/api/events"}},
		"silent":           {[]fault{{silent: true}, {silent: true}}, []string{"/ws", "/ws", "/api/events"}},
		"closed":           {[]fault{{code: 1011}, {code: 1011}, {code: 1011}}, []string{"/ws", "/ws", "/ws", "/ws"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				h.faults = c.faults
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for range h.client().Listen(ctx) {
				}
				var got []string
				for _, o := range h.attempts() {
					got = append(got, o.path)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("the connections were %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestListenEnds: a loop ends at once with its context or its body, whatever the listener does then
// (B2B-SDK-016). The test ends only when every goroutine has.
func TestListenEnds(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		for what, f := range map[string]fault{"idle": {}, "opening": {silent: true}, "waiting": {code: 4100, status: 0}, "refused": {status: 503}} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := startHub(t)
					h.faults = []fault{f, f, f, f, f, f, f}
					ctx, cancel := context.WithCancel(t.Context())
					start := time.Now()
					time.AfterFunc(5*time.Second, cancel)
					var last error
					for _, err := range h.client().Listen(ctx, b2b.WithTransport(transport)) {
						last = err
					}
					if !errors.Is(last, context.Canceled) || time.Since(start) != 5*time.Second {
						t.Errorf("after %v: %v", time.Since(start), last)
					}
				})
			})
		}
	}
}

// TestSlowConsumer: what a consumer does not take is limited, and it gets everything later
// (B2B-SDK-015).
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"WebSocket", "stream"} {
		transport := transports[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := startHub(t)
				h.write(1)
				want := 1
				for e, err := range h.client().Listen(t.Context(), b2b.FromPosition("0"), b2b.WithTransport(transport)) {
					if err != nil || content(e) != want {
						t.Fatalf("%v %v, want %d", e, err, want)
					}
					if want == 1 {
						h.write(4999)
						time.Sleep(10 * time.Minute)
					}
					if want++; want > 5000 {
						break
					}
				}
			})
		})
	}
}

// TestRun: a handler that fails ends nothing; its event is handled again, then skipped
// (B2B-SDK-014).
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := startHub(t)
		h.write(3)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := &memory{position: "0"}
		calls, notices, skipped := map[int]int{}, 0, 0
		err := h.client().Run(ctx, func(_ context.Context, e *b2b.Event) error {
			n := content(e)
			calls[n]++
			switch {
			case n == 1 && calls[n] < 3, n == 2:
				return errors.New("not today")
			case n == 3:
				cancel()
			}
			return nil
		}, b2b.WithPositionStore(store), b2b.WithNotice(func(err error) {
			var failed *b2b.HandlerError
			if errors.As(err, &failed) {
				if notices++; failed.Skipped {
					skipped++
				}
			}
		}))
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if calls[1] != 3 || calls[2] != 4 || calls[3] != 1 || notices != 6 || skipped != 1 || store.position != "3" {
			t.Errorf("the calls are %v, with %d notices, %d skipped, position %s", calls, notices, skipped, store.position)
		}
	})
}

// TestParseEvent: events of unknown types and without a position are delivered as they came
// (B2B-SDK-013).
func TestParseEvent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		message(7): "message 7 true",
		`{"type":"later","cursor":"x","some":{"thing":1}}`:                       "later x false",
		`{"type":"bot_online","bot":{"id":"b","name":"n"}}`:                      "bot_online  true",
		`{"type":"bot_renamed","old_name":7,"cursor":"y"}`:                       "bot_renamed y false",
		`{"type":"message","later":[1,{}],"message":{"later":"\u00e9","id":""}}`: "message  true",
	} {
		e, err := b2b.ParseEvent([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprint(e.Type, " ", e.Position, " ", e.Event != nil); got != want || string(e.Raw) != text {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "null", "[]", "{}", `{"type":7}`, `{"type":"message"`, "\xff"} {
		if e, err := b2b.ParseEvent([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, e)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(message(1)))
	f.Add([]byte(`{"type":"thread_message","message":{"parts":[{"type":"x","a":[]}],"metadata":{"a":1},"mentions":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := b2b.ParseEvent(data)
		if (err == nil) != (e != nil && e.Type != "" && json.Valid(data)) {
			t.Errorf("%q is %+v, %v", data, e, err)
		}
	})
}
