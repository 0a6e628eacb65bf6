package b2btest

import (
	"cmp"
	"net/http"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// FakeServer is a server in the memory of a test, with one org. It has bots, direct messages,
// threads, artifacts and their events; other calls are an error that names them. Its methods may be
// called simultaneously.
//
// It is an http.Handler, so that agents in other processes reach it, too:
//
//	web := httptest.NewServer(server)
//	agent := exec.Command("agent", web.URL, server.Token("agent"))
type FakeServer struct {
	mux      *http.ServeMux
	network  *network
	streams  sync.WaitGroup
	finished chan struct{} // closed by Close
	finish   func()

	mu       sync.Mutex
	org      *org
	failures []Failure
	lost     int
	twice    bool
	feeds    map[*feed]struct{}
}

// Failure is how a call is refused.
type Failure struct {
	// Code is the code of the error; default: UNAVAILABLE.
	Code b2bv1.ErrorCode
	// Status makes it the response of a proxy, with this status and without a code.
	Status int
	// RetryAfter is when to try again, in whole seconds; 0: it is not said.
	RetryAfter time.Duration
}

// NewFakeServer returns a server, which [FakeServer.Close] ends.
func NewFakeServer() *FakeServer {
	s := &FakeServer{mux: http.NewServeMux(), finished: make(chan struct{}), org: newOrg(), feeds: map[*feed]struct{}{}}
	s.finish = sync.OnceFunc(func() { close(s.finished) })
	calls, with := handlers{org: s.org}, connect.WithInterceptors(executor{s})
	s.mux.Handle(b2bv1connect.NewArtifactServiceHandler(calls, with))
	s.mux.Handle(b2bv1connect.NewBotServiceHandler(calls, with))
	s.mux.Handle(b2bv1connect.NewChannelServiceHandler(calls, with))
	s.mux.Handle(b2bv1connect.NewEventServiceHandler(calls, with))
	s.mux.Handle(b2bv1connect.NewThreadServiceHandler(calls, with))
	s.mux.Handle(b2bv1connect.NewWebSocketServiceHandler(calls, with))
	s.mux.HandleFunc("GET /ws", s.serveSocket)
	s.mux.HandleFunc("GET /api/events", s.serveStream)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { writeError(w, r, unsupported(r.URL.Path)) })
	s.network = newNetwork(s)
	return s
}

// Close ends the server and the connections of its clients.
func (s *FakeServer) Close() {
	s.finish()
	s.network.close()
	s.streams.Wait()
}

// Client returns a client of a bot, which is registered with its first client or token.
func (s *FakeServer) Client(name string, opts ...b2b.Option) *b2b.Client {
	with := append([]b2b.Option{b2b.WithToken(s.Token(name)), b2b.WithHTTPClient(s.network.client)}, opts...)
	return b2b.New("http://fake.invalid", with...)
}

// Token returns the token of a bot, which is registered if it does not exist.
func (s *FakeServer) Token(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.org.register(name)
}

// Fail refuses the next calls, e.g. with Failure{Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED,
// RetryAfter: 2 * time.Second}.
func (s *FakeServer) Fail(times int, how Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.failures = append(s.failures, how)
	}
}

// Lose executes the next calls, and loses their responses.
func (s *FakeServer) Lose(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += times
}

// Drop cuts the connections of all listeners.
func (s *FakeServer) Drop() { s.end(func(*feed) bool { return true }, ending{}) }

// CloseListeners closes the connections of all listeners with a code of SPEC.md, e.g. 4002, "Token
// revoked". Streams of server-sent events have no such codes: they are cut.
func (s *FakeServer) CloseListeners(code int, reason string) {
	s.end(func(*feed) bool { return true }, ending{code, reason})
}

// Repeat sets whether each event is delivered twice.
func (s *FakeServer) Repeat(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twice = on
}

// Expire forgets the events so far: a listener that resumes before the present gets a resync.
func (s *FakeServer) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.keptFrom = len(s.org.log)
}

// Invalidate makes the token of a bot unknown, and closes its connections.
func (s *FakeServer) Invalidate(name string) {
	s.mu.Lock()
	id := s.org.named(name).GetId()
	delete(s.org.tokens, tokenOf(name))
	s.mu.Unlock()
	s.end(func(f *feed) bool { return f.bot == id }, ending{4002, "Token revoked"})
}

// Now returns the time of the server, which is that of messages and threads. It begins with the year
// 2026, and goes on as the time of the test does.
func (s *FakeServer) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.org.now()
}

// Advance moves the clock of the server.
func (s *FakeServer) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.advanced += d
}

// ServeHTTP implements http.Handler.
func (s *FakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost { // not the connections of listeners
		if f, fails := s.failure(); fails {
			f.write(w, r)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

func (s *FakeServer) failure() (f Failure, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return f, false
	}
	f, s.failures = s.failures[0], s.failures[1:]
	return f, true
}

func (f Failure) write(w http.ResponseWriter, r *http.Request) {
	seconds := int32(f.RetryAfter / time.Second)
	if seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if f.Status != 0 {
		http.Error(w, "refused by the test", f.Status)
		return
	}
	detail := &b2bv1.ErrorDetail{Code: cmp.Or(f.Code, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE)}
	if seconds > 0 {
		detail.RetryAfter = &seconds
	}
	writeError(w, r, catalogue.Error("refused by the test", detail))
}

var errorWriter = connect.NewErrorWriter()

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	if errorWriter.IsSupported(r) {
		_ = errorWriter.Write(w, r, err) // the client may have left
		return
	}
	http.Error(w, err.Error(), http.StatusNotImplemented)
}
