package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/rpc"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// elsewhere marks requests that the binding does not handle.
var elsewhere = rpc.Elsewhere{
	Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Elsewhere", r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	}),
	Refuse: func(w http.ResponseWriter, _ *http.Request, err error) error {
		e, _ := call.AsError(err)
		w.WriteHeader(e.Status())
		_, err = w.Write([]byte(call.CodeText(e.Code)))
		return err
	},
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// callers is an authenticator with callers by token and by cookie.
type callers map[string]*call.Caller

func (c callers) Authenticate(_ context.Context, given call.Credentials) (*call.Caller, error) {
	if caller := c[given.SessionID]; caller != nil {
		return caller, nil
	}
	switch caller := c[given.Bearer]; {
	case given.Bearer == "":
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "Who are you?")
	case caller == nil:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "Unknown token")
	case given.OrgID != "" && given.OrgID != caller.OrgID:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH, "Another org")
	default:
		return caller, nil
	}
}

func (c callers) Session(_ context.Context, id string) (*call.Session, error) {
	if caller := c[id]; caller != nil {
		return caller.Session, nil
	}
	return nil, nil
}

// threads and auth are the services of these tests; the others are not implemented.
type threads struct {
	b2bv1connect.UnimplementedThreadServiceHandler
}

func (threads) GetThread(ctx context.Context, req *b2bv1.GetThreadRequest) (*b2bv1.GetThreadResponse, error) {
	info := call.From(ctx)
	switch req.GetThreadId() {
	case "busy":
		return nil, (&call.Error{Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, Message: "Too many", RetryAfter: 7}).
			WithHint("Wait").With("n", 3).With("join_status", "pending")
	case "broken":
		return nil, errors.New("the password is 1234")
	case "panic":
		panic("oops")
	}
	return &b2bv1.GetThreadResponse{Thread: &b2bv1.Thread{
		Id: req.GetThreadId(), Topic: fmt.Sprintf("%s %s %s", info.Caller.BotID, info.Via, info.UserAgent),
	}}, nil
}

type auth struct {
	b2bv1connect.UnimplementedAuthServiceHandler
}

func (auth) Login(ctx context.Context, _ *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	call.From(ctx).Cookie = &call.Cookie{Value: "abc", MaxAge: 60}
	return &b2bv1.LoginResponse{}, nil
}

func (auth) Logout(context.Context, *b2bv1.LogoutRequest) (*b2bv1.LogoutResponse, error) {
	return &b2bv1.LogoutResponse{}, nil
}

func services() call.Services {
	return call.Services{
		ArtifactService:  b2bv1connect.UnimplementedArtifactServiceHandler{},
		ChannelService:   b2bv1connect.UnimplementedChannelServiceHandler{},
		ThreadService:    threads{},
		OrgThreadService: b2bv1connect.UnimplementedOrgThreadServiceHandler{},
		BotService:       b2bv1connect.UnimplementedBotServiceHandler{},
		PlatformService:  b2bv1connect.UnimplementedPlatformServiceHandler{},
		OrgService:       b2bv1connect.UnimplementedOrgServiceHandler{},
		AuthService:      auth{},
		TokenService:     b2bv1connect.UnimplementedTokenServiceHandler{},
		WebSocketService: b2bv1connect.UnimplementedWebSocketServiceHandler{},
		ServerService:    b2bv1connect.UnimplementedServerServiceHandler{},
		WebhookService:   b2bv1connect.UnimplementedWebhookServiceHandler{},
		LeaseService:     b2bv1connect.UnimplementedLeaseServiceHandler{},
		DecisionService:  b2bv1connect.UnimplementedDecisionServiceHandler{},
		SearchService:    b2bv1connect.UnimplementedSearchServiceHandler{},
	}
}

// serve starts a server for HTTP/1.1 and HTTP/2 without TLS, and returns a client for each
// protocol.
func serve(t *testing.T) (url string, clients map[string]*http.Client, options map[string][]connect.ClientOption) {
	t.Helper()
	known := callers{
		"bot":     {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeRead},
		"session": {Kind: call.Bot, OrgID: "o1", BotID: "b2", Scopes: call.ScopeFull, Session: &call.Session{}},
	}
	s := services()
	h := rpc.New(s, s.Operations(), call.NewPipeline(known, slog.New(slog.DiscardHandler), false), call.Edge{}, nil, nil, elsewhere)
	var network nettest.Network
	ts := network.NewUnstartedServer(h)
	ts.Config.Protocols = new(http.Protocols)
	ts.Config.Protocols.SetHTTP1(true)
	ts.Config.Protocols.SetUnencryptedHTTP2(true)
	ts.Start()
	t.Cleanup(ts.Close)
	http2 := &http.Transport{DialContext: network.DialContext, Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	http1 := &http.Transport{DialContext: network.DialContext}
	t.Cleanup(http2.CloseIdleConnections)
	t.Cleanup(http1.CloseIdleConnections)
	clients = map[string]*http.Client{
		"connect": {Transport: http1}, "connect+json": {Transport: http1}, "grpc": {Transport: http2}, "grpc-web": {Transport: http1},
	}
	options = map[string][]connect.ClientOption{
		"connect": nil, "connect+json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	}
	return ts.URL, clients, options
}

// withHeader returns a context with request headers, given as pairs.
func withHeader(t *testing.T, pairs ...string) (context.Context, connect.CallInfo) {
	t.Helper()
	ctx, info := connect.NewClientContext(t.Context())
	for i := 0; i < len(pairs); i += 2 {
		info.RequestHeader().Set(pairs[i], pairs[i+1])
	}
	return ctx, info
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	url, clients, options := serve(t)
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			threads := b2bv1connect.NewThreadServiceClient(client, url, options[name]...)

			ctx, _ := withHeader(t, "Authorization", "Bearer bot", "X-Org-Id", "o1")
			res, err := threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: "t1"})
			if err != nil || res.GetThread().GetId() != "t1" || !strings.HasPrefix(res.GetThread().GetTopic(), "b1 rpc ") {
				t.Fatalf("a call answers %v, %v", res, err)
			}

			ctx, _ = withHeader(t, "Authorization", "Bearer bot")
			_, err = threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: "busy"})
			wantError(t, err, connect.CodeResourceExhausted, "Too many", &b2bv1.ErrorDetail{
				Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, Hint: proto.String("Wait"), RetryAfter: proto.Int32(7), Retryable: true,
				Extras: map[string]string{"n": "3", "join_status": "pending"},
			})
			var failed *connect.Error
			if errors.As(err, &failed) && failed.Meta().Get("Retry-After") != "7" {
				t.Errorf("Retry-After is %q", failed.Meta().Get("Retry-After"))
			}
			for _, id := range []string{"broken", "panic"} {
				_, err = threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: id})
				wantError(t, err, connect.CodeInternal, "Internal server error", &b2bv1.ErrorDetail{Code: b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, Retryable: true})
			}
			_, err = threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{})
			wantCode(t, err, connect.CodePermissionDenied, b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE)
			_, err = threads.GetThread(t.Context(), &b2bv1.GetThreadRequest{ThreadId: "t1"})
			wantCode(t, err, connect.CodeUnauthenticated, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
			ctx, _ = withHeader(t, "Authorization", "Bearer bot", "X-Org-Id", "o2")
			_, err = threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: "t1"})
			wantCode(t, err, connect.CodePermissionDenied, b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH)

			login := b2bv1connect.NewAuthServiceClient(client, url, options[name]...)
			ctx, info := withHeader(t)
			if _, err := login.Login(ctx, &b2bv1.LoginRequest{}); err != nil {
				t.Fatal(err)
			}
			cookie, err := http.ParseSetCookie(info.ResponseHeader().Get("Set-Cookie"))
			if err != nil || cookie.Name != call.SessionCookie || cookie.Value != "abc" || cookie.MaxAge != 60 || !cookie.HttpOnly {
				t.Errorf("login sets %v, %v", cookie, err)
			}
			ctx, info = withHeader(t)
			if _, err := login.Logout(ctx, &b2bv1.LogoutRequest{}); err != nil || info.ResponseHeader().Get("Set-Cookie") != "" {
				t.Errorf("a call without a cookie: %v, %v", err, info.ResponseHeader())
			}
		})
	}
}

func TestCookieAndCSRF(t *testing.T) {
	t.Parallel()
	url, clients, _ := serve(t)
	threads := b2bv1connect.NewThreadServiceClient(clients["connect"], url)
	for _, c := range []struct {
		headers []string
		code    b2bv1.ErrorCode
	}{
		{[]string{}, 0},
		{[]string{"Origin", url}, 0},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 0},
		{[]string{"Origin", "https://elsewhere.example"}, b2bv1.ErrorCode_ERROR_CODE_CSRF_ERROR},
		{[]string{"Sec-Fetch-Site", "cross-site"}, b2bv1.ErrorCode_ERROR_CODE_CSRF_ERROR},
	} {
		ctx, _ := withHeader(t, append(c.headers, "Cookie", "hxa_session=session")...)
		res, err := threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: "t1"})
		if c.code == 0 {
			if err != nil || !strings.HasPrefix(res.GetThread().GetTopic(), "b2 ") {
				t.Errorf("%v: %v, %v", c.headers, res, err)
			}
			continue
		}
		wantCode(t, err, connect.CodePermissionDenied, c.code)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	url, clients, options := serve(t)
	big := &b2bv1.GetThreadRequest{ThreadId: strings.Repeat("x", rpc.MaxMessage+1)}
	for name, client := range clients {
		for _, more := range [][]connect.ClientOption{nil, {connect.WithSendGzip()}} {
			threads := b2bv1connect.NewThreadServiceClient(client, url, append(more, options[name]...)...)
			ctx, _ := withHeader(t, "Authorization", "Bearer bot")
			_, err := threads.GetThread(ctx, big)
			wantCode(t, err, connect.CodeResourceExhausted, b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE)
			_, err = threads.GetThread(t.Context(), big)
			wantCode(t, err, connect.CodeUnauthenticated, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
			fits := &b2bv1.GetThreadRequest{ThreadId: strings.Repeat("x", rpc.MaxMessage-100)}
			ctx, _ = withHeader(t, "Authorization", "Bearer bot")
			if _, err := threads.GetThread(ctx, fits); err != nil {
				t.Errorf("%s: a message within the limit: %v", name, err)
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	s := services()
	h := rpc.New(s, s.Operations(), call.NewPipeline(callers{}, slog.New(slog.DiscardHandler), false), call.Edge{}, nil, nil, elsewhere)
	for _, path := range []string{"/", "/b2b.v1.Nothing/X", "/b2b.v1.ThreadService/Nothing", "/b2b.v1.ThreadService/GetThread/x", "/b2b.v1.ThreadService"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader("{}")))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func wantError(t *testing.T, err error, code connect.Code, message string, detail *b2bv1.ErrorDetail) {
	t.Helper()
	var failed *connect.Error
	if !errors.As(err, &failed) || failed.Code() != code || failed.Message() != message {
		t.Errorf("error %v, want %v %s", err, code, message)
		return
	}
	if got := detailOf(t, failed); !proto.Equal(got, detail) {
		t.Errorf("error detail %v, want %v", got, detail)
	}
}

func wantCode(t *testing.T, err error, code connect.Code, stable b2bv1.ErrorCode) {
	t.Helper()
	var failed *connect.Error
	if !errors.As(err, &failed) || failed.Code() != code || detailOf(t, failed).GetCode() != stable {
		t.Errorf("error %v, want %v with %v", err, code, stable)
	}
}

func detailOf(t *testing.T, failed *connect.Error) *b2bv1.ErrorDetail {
	t.Helper()
	if len(failed.Details()) != 1 {
		t.Fatalf("%v has %d details", failed, len(failed.Details()))
	}
	m, err := failed.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	d, ok := m.(*b2bv1.ErrorDetail)
	if !ok {
		t.Fatalf("the detail is a %T", m)
	}
	return d
}
