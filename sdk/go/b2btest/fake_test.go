package b2btest_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// start starts a fake server for the test in a bubble.
func start(t *testing.T) *b2btest.FakeServer {
	server := b2btest.NewFakeServer()
	t.Cleanup(server.Close)
	return server
}

func send(t *testing.T, c *b2b.Client, to, content string) *b2bv1.SendDirectMessageResponse {
	t.Helper()
	res, err := c.Send(t.Context(), to, content)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func present(t *testing.T, c *b2b.Client) b2b.ListenOption {
	t.Helper()
	position, err := c.Present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b2b.FromPosition(position)
}

var limited = b2btest.Failure{Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, RetryAfter: 20 * time.Second}

// TestFailedCalls: refused calls and lost responses are tried again, and change things once; the
// pauses take no real time (B2B-SDK-038).
func TestFailedCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		ann := server.Client("ann")
		server.Token("bob")
		began := server.Now()
		server.Fail(2, limited)
		server.Lose(2)
		sent := send(t, ann, "bob", "once")
		if passed := server.Now().Sub(began); passed < 40*time.Second {
			t.Errorf("%v passed, want at least 40 s", passed)
		}
		n := 0
		for _, err := range ann.EachChannelMessage(t.Context(), &b2bv1.ListChannelMessagesRequest{ChannelId: sent.GetChannelId()}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("the message was stored %d times", n)
		}
		server.Fail(1, b2btest.Failure{})
		_, err := server.Client("ann", b2b.WithRetries(0)).Send(t.Context(), "bob", "x")
		if b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
			t.Errorf("without retries: %v", err)
		}
		server.Fail(1, b2btest.Failure{Status: 413})
		if _, err := ann.Send(t.Context(), "bob", "x"); err == nil || b2b.DetailOf(err) != nil {
			t.Errorf("the response of a proxy: %v", err)
		}
	})
}

// TestListeners: listeners of both transports get each event once, whatever happens to their
// connections, and a resync for events that are forgotten (B2B-SDK-038).
func TestListeners(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]b2b.Transport{"WebSocket": b2b.WebSocket, "server-sent events": b2b.ServerSentEvents} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := start(t)
				ann, bob := server.Client("ann"), server.Client("bob")
				store := &memory{}
				server.Repeat(true)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				from := present(t, bob)
				go func() {
					for n := range 200 {
						if _, err := ann.Send(ctx, "bob", strconv.Itoa(n)); err != nil {
							t.Error(err)
						}
						if n%20 == 0 {
							server.Drop()
							server.CloseListeners(1012, "Service restart")
							time.Sleep(time.Second)
						}
					}
				}()
				next := 0
				for event, err := range bob.Listen(ctx, from, b2b.WithTransport(transport), b2b.WithPositionStore(store)) {
					if err != nil {
						t.Fatal(err)
					}
					if event.Type == "channel_created" {
						continue
					}
					if got := event.GetMessage().GetMessage().GetContent(); got != strconv.Itoa(next) {
						t.Fatalf("event %q, want %d", got, next)
					}
					if next++; next == 200 {
						event.Commit()
						break
					}
				}
				send(t, ann, "bob", "missed")
				server.Expire()
				for event, err := range bob.Listen(ctx, b2b.WithTransport(transport), b2b.WithPositionStore(store)) {
					if err != nil {
						t.Fatal(err)
					}
					if event.Type == b2b.Resync {
						if event.Reason != b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED {
							t.Errorf("the reason is %v", event.Reason)
						}
						send(t, ann, "bob", "after")
						continue
					}
					if got := event.GetMessage().GetMessage().GetContent(); got != "after" {
						t.Errorf("after the resync: %q", got)
					}
					break
				}
			})
		})
	}
}

type memory struct{ position string }

func (m *memory) Load(context.Context) (string, error) { return m.position, nil }
func (m *memory) Save(_ context.Context, position string) error {
	m.position = position
	return nil
}

// TestEndedCredentials: listeners end with the error of their credential, and calls as well
// (B2B-SDK-038).
func TestEndedCredentials(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*b2btest.FakeServer){
		"TOKEN_EXPIRED": func(s *b2btest.FakeServer) { s.CloseListeners(4001, "Token expired") },
		"INVALID_TOKEN": func(s *b2btest.FakeServer) { s.Invalidate("bob") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := start(t)
				ann, bob := server.Client("ann"), server.Client("bob")
				from := present(t, bob)
				send(t, ann, "bob", "x")
				var last error
				for _, err := range bob.Listen(t.Context(), from) {
					if last = err; err == nil {
						end(server)
					}
				}
				if got := b2b.CodeOf(last).String(); got != "ERROR_CODE_"+name {
					t.Errorf("the listener ended with %v", last)
				}
				_, err := bob.Send(t.Context(), "ann", "x")
				if revoked := name == "INVALID_TOKEN"; revoked != (b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN) {
					t.Errorf("a call: %v", err)
				}
				if _, err := server.Client("bob").Send(t.Context(), "ann", "x"); err != nil {
					t.Errorf("a new client: %v", err)
				}
			})
		})
	}
}

// TestOtherPositions: positions of another log, and from the future, are a resync, and what is no
// position an error.
func TestOtherPositions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		bob := server.Client("bob")
		for position, want := range map[string]string{"1.0.other": "EPOCH_CHANGED", "1.9.fake": "CURSOR_AHEAD", "x": "VALIDATION_ERROR"} {
			for event, err := range bob.Listen(t.Context(), b2b.FromPosition(position)) {
				got := b2b.CodeOf(err)
				if err == nil {
					got = event.Reason
				}
				if got.String() != "ERROR_CODE_"+want {
					t.Errorf("%s: %v, %v", position, event, err)
				}
				break
			}
		}
	})
}

// TestClock: the clock begins with 2026 and moves with the test, or when the test says so
// (B2B-SDK-038).
func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		time.Sleep(time.Minute)
		server.Advance(time.Hour)
		want := time.Date(2026, 1, 1, 1, 1, 0, 0, time.UTC)
		server.Token("bob")
		if got := send(t, server.Client("ann"), "bob", "x").GetMessage().GetCreatedAt().AsTime(); got != want || server.Now() != want {
			t.Errorf("the message is of %v, the clock at %v, want %v", got, server.Now(), want)
		}
	})
}

// TestUnsupported: a call that the fake server does not have is an error that names it and says what
// to do (B2B-SDK-037).
func TestUnsupported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		ann := server.Client("ann")
		for what, call := range map[string]func() error{
			"/b2b.v1.TokenService/ListTokens": func() error { // no such service
				_, err := ann.Tokens.ListTokens(t.Context(), &b2bv1.ListTokensRequest{})
				return err
			},
			"/b2b.v1.BotService/DeleteMe": func() error { // no such method
				_, err := ann.Bots.DeleteMe(t.Context(), &b2bv1.DeleteMeRequest{})
				return err
			},
			"/b2b.v1.EventService/Subscribe": func() error {
				stream, err := ann.Events.Subscribe(t.Context(), &b2bv1.SubscribeRequest{})
				if err == nil {
					stream.Receive()
					err = errors.Join(stream.Err(), stream.Close())
				}
				return err
			},
		} {
			err := call()
			if connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "b2btest.Start") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestOverNetwork: agents in other processes reach the fake server as an http.Handler.
func TestOverNetwork(t *testing.T) {
	t.Parallel()
	server := b2btest.NewFakeServer()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	c := b2b.New(web.URL, b2b.WithToken(server.Token("agent")))
	server.Token("user")
	from := present(t, c)
	send(t, c, "user", "hello")
	for event, err := range c.Listen(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if event.GetMessage() != nil {
			break
		}
	}
}

// TestClosedServer: after Close, calls fail and listeners are cut; nothing goes on running, which
// the bubble checks.
func TestClosedServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		bob := server.Client("bob", b2b.WithRetries(0))
		ctx, cancel := context.WithCancel(t.Context())
		var notices []error
		done := make(chan error)
		go func() {
			done <- bob.Run(ctx, func(context.Context, *b2b.Event) error { return nil }, b2b.WithNotice(func(err error) { notices = append(notices, err) }))
		}()
		synctest.Wait()
		server.Close()
		server.Close()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || len(notices) == 0 {
			t.Errorf("the listener ended with %v after the notices %v", err, notices)
		}
		if _, err := bob.Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{}); err == nil {
			t.Error("a call to a closed server succeeded")
		}
	})
}
