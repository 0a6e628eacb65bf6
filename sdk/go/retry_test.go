package b2b_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// exchange is an HTTP client without a network.
type exchange func(*http.Request) (*http.Response, error)

func (e exchange) Do(r *http.Request) (*http.Response, error) { return e(r) }

// plain returns a response that does not come from a server of this protocol.
func plain(status int, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	return w.Result()
}

// refusal returns an error as a server of this protocol sends it.
func refusal(code connect.Code, stable b2bv1.ErrorCode, retryAfter int32) error {
	err := connect.NewError(code, errors.New("refused"))
	detail := &b2bv1.ErrorDetail{Code: stable}
	if retryAfter > 0 {
		detail.RetryAfter = &retryAfter
	}
	if d, failed := connect.NewErrorDetail(detail); failed == nil {
		err.AddDetail(d)
	}
	return err
}

// service records the calls that it gets, and fails the first of them.
type service struct {
	b2bv1connect.UnimplementedChannelServiceHandler
	b2bv1connect.UnimplementedAuthServiceHandler
	before []func() (*http.Response, error) // nil: the service responds
	fails  []error                          // of the calls that reach the service
	at     []time.Time
	sent   []*b2bv1.SendDirectMessageRequest
	logins int
	reads  int
}

func (s *service) fail() (err error) {
	if len(s.fails) > 0 {
		err, s.fails = s.fails[0], s.fails[1:]
	}
	return err
}

func (s *service) SendDirectMessage(_ context.Context, req *b2bv1.SendDirectMessageRequest) (*b2bv1.SendDirectMessageResponse, error) {
	s.sent = append(s.sent, req)
	return &b2bv1.SendDirectMessageResponse{ChannelId: "c"}, s.fail()
}

func (s *service) GetChannel(context.Context, *b2bv1.GetChannelRequest) (*b2bv1.GetChannelResponse, error) {
	s.reads++
	return &b2bv1.GetChannelResponse{}, s.fail()
}

func (s *service) Login(context.Context, *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	s.logins++
	return &b2bv1.LoginResponse{}, s.fail()
}

func (s *service) client(opts ...b2b.Option) *b2b.Client {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewChannelServiceHandler(s))
	mux.Handle(b2bv1connect.NewAuthServiceHandler(s))
	return b2b.New("http://b2b.test", append([]b2b.Option{b2b.WithToken("t"), b2b.WithHTTPClient(exchange(func(r *http.Request) (*http.Response, error) {
		s.at = append(s.at, time.Now())
		if len(s.before) > 0 {
			before := s.before[0]
			s.before = s.before[1:]
			if before != nil {
				_, _ = io.Copy(io.Discard, r.Body)
				return before()
			}
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Result(), nil
	}))}, opts...)...)
}

// attempts returns how often a call was made.
func (s *service) attempts() int { return len(s.at) }

func respond(r *http.Response) func() (*http.Response, error) {
	return func() (*http.Response, error) { return r, nil }
}

func broken(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func send(ctx context.Context, c *b2b.Client) error {
	_, err := c.Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{To: proto.String("x"), Content: proto.String("hi")})
	return err
}

// TestRetries: which failures lead to another attempt, for a read, a change with a request id and
// one without (B2B-SDK-002, B2B-SDK-003).
func TestRetries(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for _, c := range []struct {
		name           string
		before         func() (*http.Response, error)
		fail           error
		read, id, noID bool
	}{
		{"connection refused", broken(refused), nil, true, true, true},
		{"connection reset", broken(reset), nil, true, true, false},
		{"connection closed", broken(io.ErrUnexpectedEOF), nil, true, true, false},
		{"502 of a proxy", respond(plain(502)), nil, true, true, false},
		{"503 of a proxy", respond(plain(503)), nil, true, true, false},
		{"504 of a proxy", respond(plain(504)), nil, true, true, false},
		{"429 of a proxy", respond(plain(429)), nil, true, true, true},
		{"500 of a proxy", respond(plain(500)), nil, false, false, false},
		{"404 of a proxy", respond(plain(404)), nil, false, false, false},
		{"rate limited", nil, refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, 1), true, true, true},
		{"too many streams", nil, refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, 1), true, true, true},
		{"turn limit", nil, refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT, 0), false, false, false},
		{"budget exceeded", nil, refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_BUDGET_EXCEEDED, 2), true, true, true},
		{"unavailable", nil, refusal(connect.CodeUnavailable, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, 1), true, true, false},
		{"internal error", nil, refusal(connect.CodeInternal, b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, 0), false, false, false},
		{"not found", nil, refusal(connect.CodeNotFound, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 0), false, false, false},
		{"conflict", nil, refusal(connect.CodeAborted, b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT, 0), false, false, false},
		{"quota exceeded", nil, refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, 0), false, false, false},
	} {
		for _, call := range []struct {
			kind  string
			again bool
			make  func(context.Context, *b2b.Client) error
		}{
			{"read", c.read, func(ctx context.Context, c *b2b.Client) error {
				_, err := c.Channels.GetChannel(ctx, &b2bv1.GetChannelRequest{ChannelId: "c"})
				return err
			}},
			{"change", c.id, send},
			{"change without request id", c.noID, func(ctx context.Context, c *b2b.Client) error {
				_, err := c.Auth.Login(ctx, &b2bv1.LoginRequest{})
				return err
			}},
		} {
			t.Run(c.name+"/"+call.kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &service{before: []func() (*http.Response, error){c.before}, fails: []error{c.fail}}
					err := call.make(t.Context(), s.client())
					if (err == nil) != call.again {
						t.Errorf("the result is %v", err)
					}
					if want := map[bool]int{false: 1, true: 2}[call.again]; s.attempts() != want {
						t.Errorf("%d attempts, want %d", s.attempts(), want)
					}
				})
			})
		}
	}
}

// TestRequestID: all attempts of a call have one request id, two calls with one message have two,
// and that of the caller is kept (B2B-SDK-001).
func TestRequestID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unavailable := refusal(connect.CodeUnavailable, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, 1)
		s := &service{fails: []error{unavailable, unavailable, nil, nil, unavailable}}
		c := s.client()
		message := &b2bv1.SendDirectMessageRequest{To: proto.String("x"), Content: proto.String("hi")}
		own := proto.CloneOf(message)
		own.RequestId = proto.String("mine")
		for _, m := range []*b2bv1.SendDirectMessageRequest{message, message, own} {
			if _, err := c.Channels.SendDirectMessage(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if message.RequestId != nil {
			t.Error("the message of the caller was changed")
		}
		var ids []string
		for _, m := range s.sent {
			if m.GetContent() != "hi" || m.GetTo() != "x" {
				t.Errorf("the server received %v", m)
			}
			ids = append(ids, m.GetRequestId())
		}
		switch {
		case len(ids) != 6:
			t.Fatalf("%d attempts, want 6", len(ids))
		case len(ids[0]) < 22 || ids[0] != ids[1] || ids[0] != ids[2]:
			t.Errorf("the attempts of one call have the ids %q", ids[:3])
		case ids[3] == ids[0]:
			t.Error("two calls have one id")
		case ids[4] != "mine" || ids[5] != "mine":
			t.Errorf("the id of the caller became %q", ids[4:])
		}
	})
}

// TestPauses: how long a client waits between attempts, and how often it tries (B2B-SDK-002,
// B2B-SDK-004).
func TestPauses(t *testing.T) {
	t.Parallel()
	unavailable := func() (*http.Response, error) { return plain(503), nil }
	synctest.Test(t, func(t *testing.T) {
		var longest [4]time.Duration
		for range 50 {
			s := &service{before: []func() (*http.Response, error){unavailable, unavailable, unavailable, unavailable, unavailable, unavailable}}
			if err := send(t.Context(), s.client()); err == nil || s.attempts() != 5 {
				t.Fatalf("%d attempts, %v; want 5 and an error", s.attempts(), err)
			}
			for i := range longest {
				longest[i] = max(longest[i], s.at[i+1].Sub(s.at[i]))
			}
		}
		for i, got := range longest {
			if limit := 250 * time.Millisecond << i; got > limit || got < limit/2 {
				t.Errorf("the longest of 50 pauses after attempt %d is %v, want at most and near %v", i+1, got, limit)
			}
		}
		for _, form := range []string{"seconds", "date"} {
			header := "3"
			if form == "date" {
				time.Sleep(time.Second - time.Duration(time.Now().Nanosecond())) // dates have no fraction
				header = time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat)
			}
			s := &service{before: []func() (*http.Response, error){respond(plain(429, "Retry-After", header))}}
			if err := send(t.Context(), s.client()); err != nil {
				t.Fatal(err)
			}
			if pause := s.at[1].Sub(s.at[0]); pause < 3*time.Second || pause > 3600*time.Millisecond {
				t.Errorf("Retry-After %s: the pause is %v", header, pause)
			}
		}
	})
}

// TestRetryAfterTooLong: a server that asks for more than a minute gets no second attempt
// (B2B-SDK-004).
func TestRetryAfterTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			seconds  int32
			attempts int
		}{{60, 2}, {61, 1}} {
			s := &service{fails: []error{refusal(connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, c.seconds)}}
			_ = send(t.Context(), s.client())
			if s.attempts() != c.attempts {
				t.Errorf("asked to wait for %d s: %d attempts, want %d", c.seconds, s.attempts(), c.attempts)
			}
		}
	})
}

// TestRetriesEnd: a call ends with its context, and at once if the context would end before the
// next attempt (B2B-SDK-005).
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	limited := func() (*http.Response, error) { return plain(429, "Retry-After", "10"), nil }
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s := &service{before: []func() (*http.Response, error){limited}}
		err := send(short, s.client())
		if !strings.Contains(err.Error(), "429") || time.Since(start) != 0 {
			t.Errorf("after %v: %v, want the error of the server at once", time.Since(start), err)
		}

		cancelled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		s = &service{before: []func() (*http.Response, error){limited}}
		if err = send(cancelled, s.client()); err == nil || time.Since(start) != 2*time.Second || s.attempts() != 1 {
			t.Errorf("after %v and %d attempts: %v, want an end with the context", time.Since(start), s.attempts(), err)
		}

		s = &service{before: []func() (*http.Response, error){limited}}
		if err = send(t.Context(), s.client(b2b.WithRetries(0))); err == nil || s.attempts() != 1 {
			t.Errorf("without retries: %d attempts, %v", s.attempts(), err)
		}
	})
}

// TestAttemptTimeout: an attempt without a response is given up and made again (B2B-SDK-002).
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := true
		s := &service{}
		c := b2b.New("http://b2b.test", b2b.WithTimeout(time.Second), b2b.WithHTTPClient(exchange(func(r *http.Request) (*http.Response, error) {
			if hangs {
				hangs = false
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			w := httptest.NewRecorder()
			_, handler := b2bv1connect.NewChannelServiceHandler(s)
			handler.ServeHTTP(w, r)
			return w.Result(), nil
		})))
		if err := send(t.Context(), c); err != nil || hangs {
			t.Errorf("the call ended with %v", err)
		}
	})
}

// TestWaitingCalls: a call that asks the server to wait has that much more time (B2B-SDK-041).
func TestWaitingCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := b2b.New("http://b2b.test", b2b.WithTimeout(time.Second), b2b.WithRetries(0), b2b.WithHTTPClient(exchange(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})))
		for _, seconds := range []int32{0, 40} {
			start := time.Now()
			_, err := c.Leases.AcquireLease(t.Context(), &b2bv1.AcquireLeaseRequest{Name: new("x"), WaitSeconds: &seconds})
			if got, want := time.Since(start), time.Duration(1+seconds)*time.Second; err == nil || got != want {
				t.Errorf("a wait of %d s ended after %v, want %v: %v", seconds, got, want, err)
			}
		}
	})
}

// TestConfig: a client that cannot work sends nothing (B2B-SDK-006).
func TestConfig(t *testing.T) {
	t.Parallel()
	sent := b2b.WithHTTPClient(exchange(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return plain(500), nil
	}))
	for name, c := range map[string]*b2b.Client{
		"no URL":           b2b.New("", sent),
		"no scheme":        b2b.New("localhost:4800", sent),
		"other scheme":     b2b.New("ftp://b2b.test", sent),
		"no host":          b2b.New("http://", sent),
		"credentials":      b2b.New("http://user:secret@b2b.test", sent),
		"query":            b2b.New("http://b2b.test?token=secret", sent),
		"empty token":      b2b.New("http://b2b.test", b2b.WithToken(""), sent),
		"token with break": b2b.New("http://b2b.test", b2b.WithToken("secret\n"), sent),
		"token with blank": b2b.New("http://b2b.test", b2b.WithToken(" secret"), sent),
		"token not ASCII":  b2b.New("http://b2b.test", b2b.WithToken("secret\u00a0"), sent),
	} {
		var wrong *b2b.ConfigError
		err := send(t.Context(), c)
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error %q has the secret", name, err)
		}
		if _, err := c.Events.Subscribe(t.Context(), &b2bv1.SubscribeRequest{}); !errors.As(err, &wrong) {
			t.Errorf("%s: a stream ends with %v", name, err)
		}
	}
	s := &service{}
	if err := send(t.Context(), s.client()); err != nil {
		t.Errorf("a client that works: %v", err)
	}
}
