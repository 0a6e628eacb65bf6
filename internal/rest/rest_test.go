package rest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/forwarded"
	"github.com/b2b-protocol/b2b/internal/rest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// callers is an authenticator with callers by token and by cookie.
type callers map[string]*call.Caller

func (c callers) Authenticate(_ context.Context, given call.Credentials) (*call.Caller, error) {
	if caller := c[given.SessionID]; caller != nil {
		return caller, nil
	}
	switch {
	case given.Bearer == "":
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "Who are you?")
	case c[given.Bearer] == nil:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "Unknown token")
	}
	return c[given.Bearer], nil
}

func (c callers) Session(_ context.Context, id string) (*call.Session, error) {
	if caller := c[id]; caller != nil {
		return caller.Session, nil
	}
	return nil, nil
}

var knownCallers = callers{
	"bot":     {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeFull},
	"reader":  {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeRead},
	"session": {Kind: call.OrgAdmin, OrgID: "o1", Session: &call.Session{OrgID: "o1"}},
	"super":   {Kind: call.SuperAdmin, Session: &call.Session{}},
}

// service is one service method.
type service func(context.Context, proto.Message) (proto.Message, error)

// server returns a REST binding with these services, by procedure.
func server(t testing.TB, change func(*rest.Config), services map[string]service) http.Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := rest.Config{
		Operations: call.Services{}.Operations(),
		Pipeline:   call.NewPipeline(knownCallers, log, false),
		Log:        log,
	}
	for _, op := range c.Operations {
		op.Invoke = services[op.Procedure]
	}
	if change != nil {
		change(&c)
	}
	h, err := rest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answers returns a service that always returns the same response.
func answers(m proto.Message) service {
	return func(context.Context, proto.Message) (proto.Message, error) { return m, nil }
}

// fails returns a service that always returns the same error.
func fails(err error) service {
	return func(context.Context, proto.Message) (proto.Message, error) { return nil, err }
}

// do makes one request, given as lines: "POST /path", headers, an empty line and the body.
func do(t testing.TB, h http.Handler, request string) *http.Response {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const asBot = "\nAuthorization: Bearer bot"

func TestRequestMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, procedure, request string
		want                     proto.Message
	}{
		{
			"path and body", b2bv1connect.ThreadServiceSendThreadMessageProcedure,
			"POST /api/threads/t1/messages" + asBot + "\nContent-Type: application/json\n\n{\"content\":\"hi\",\"request_id\":\"r\",\"thread_id\":\"other\"}",
			&b2bv1.SendThreadMessageRequest{ThreadId: "t1", Content: proto.String("hi"), RequestId: proto.String("r")},
		},
		{
			"query", b2bv1connect.OrgServiceListOrgTicketsProcedure,
			"GET /api/org/tickets?limit=2abc&limit=9&cursor=100%&nonsense=1\nCookie: hxa_session=session",
			&b2bv1.ListOrgTicketsRequest{Limit: proto.Int32(2), Cursor: proto.String("100%")},
		},
		{
			"the path takes precedence over the query", b2bv1connect.ThreadServiceGetThreadProcedure,
			"GET /api/threads/t1?thread_id=t2" + asBot,
			&b2bv1.GetThreadRequest{ThreadId: "t1"},
		},
		{
			"escapes stay inside their value", b2bv1connect.ArtifactServiceListArtifactVersionsProcedure,
			"GET /API/Threads/a%2Fb/artifacts/%E2%9C%93%20x/versions/" + asBot,
			&b2bv1.ListArtifactVersionsRequest{ThreadId: "a/b", ArtifactKey: "✓ x"},
		},
		{
			"a body on DELETE", b2bv1connect.ThreadServiceRemoveParticipantProcedure,
			"DELETE /api/threads/t1/participants/b2" + asBot + "\nContent-Type: application/json\n\n{\"request_id\":\"r\"}",
			&b2bv1.RemoveParticipantRequest{ThreadId: "t1", Bot: "b2", RequestId: proto.String("r")},
		},
		{
			"a query on DELETE", b2bv1connect.ThreadServiceRemoveParticipantProcedure,
			"DELETE /api/threads/t1/participants/b2?request_id=r" + asBot,
			&b2bv1.RemoveParticipantRequest{ThreadId: "t1", Bot: "b2", RequestId: proto.String("r")},
		},
		{
			"an empty body has no media type", b2bv1connect.ThreadServiceSendThreadMessageProcedure,
			"POST /api/threads/t1/messages" + asBot + "\nContent-Type: text/plain\n\n",
			&b2bv1.SendThreadMessageRequest{ThreadId: "t1"},
		},
		{
			"an array is an empty object", b2bv1connect.ThreadServiceSendThreadMessageProcedure,
			"POST /api/threads/t1/messages" + asBot + "\nContent-Type: application/json;charset=UTF-8\n\n[1]",
			&b2bv1.SendThreadMessageRequest{ThreadId: "t1"},
		},
		{
			"a byte order mark", b2bv1connect.ThreadServiceSendThreadMessageProcedure,
			"POST /api/threads/t1/messages" + asBot + "\nContent-Type: application/json\n\n\xef\xbb\xbf{\"content\":\"hi\"}",
			&b2bv1.SendThreadMessageRequest{ThreadId: "t1", Content: proto.String("hi")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got proto.Message
			h := server(t, nil, map[string]service{c.procedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
				got = m
				return nil, call.NotFound("nothing")
			}})
			res := do(t, h, c.request)
			if res.StatusCode != 404 || !proto.Equal(got, c.want) {
				t.Errorf("status %d, service got %v, want %v; answer %s", res.StatusCode, got, c.want, bodyOf(t, res))
			}
		})
	}
}

func TestIfMatchAndKeysReachTheService(t *testing.T) {
	t.Parallel()
	var got *b2bv1.UpdateThreadRequest
	h := server(t, nil, map[string]service{b2bv1connect.ThreadServiceUpdateThreadProcedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
		got = m.(*b2bv1.UpdateThreadRequest)
		return &b2bv1.UpdateThreadResponse{Thread: &b2bv1.Thread{Revision: 8}}, nil
	}})
	res := do(t, h, "PATCH /api/threads/t1"+asBot+"\nIf-Match: W/\"7\"\nContent-Type: application/json\n\n{\"close_reason\":null,\"topic\":\"x\"}")
	if res.StatusCode != 200 || res.Header.Get("ETag") != `"8"` {
		t.Errorf("status %d, ETag %s: %s", res.StatusCode, res.Header.Get("ETag"), bodyOf(t, res))
	}
	if got.GetExpectedRevision() != 7 || strings.Join(got.GetUpdateMask().GetPaths(), " ") != "close_reason topic" {
		t.Errorf("service got %v", got)
	}
}

// TestBuffersAreNotShared checks that messages do not reference the buffer of their body, which is
// used again for the next request.
func TestBuffersAreNotShared(t *testing.T) {
	t.Parallel()
	var got []proto.Message
	h := server(t, nil, map[string]service{b2bv1connect.ThreadServiceSendThreadMessageProcedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
		got = append(got, m)
		return &b2bv1.SendThreadMessageResponse{}, nil
	}})
	for _, letter := range []string{"a", "b"} {
		do(t, h, "POST /api/threads/t1/messages"+asBot+"\nContent-Type: application/json\n\n"+
			strings.ReplaceAll(`{"content":"QQ","metadata":{"Q":"Q"},"parts":[{"type":"json","content":{"Q":["Q"]}},{"type":"text","content":"QQQ"}]}`, "Q", letter))
	}
	if text := fmt.Sprint(got[0]); strings.Contains(text, `"b"`) || !strings.Contains(text, "aaa") {
		t.Errorf("the first message became %s", text)
	}
}

// B2B-HTTP-019: what proxies report about the caller.
func TestCallInfo(t *testing.T) {
	t.Parallel()
	var got *call.Info
	proxies, err := forwarded.Parse("1")
	if err != nil {
		t.Fatal(err)
	}
	h := server(t, func(c *rest.Config) { c.Edge = call.Edge{BasePath: "/hub", Proxies: proxies} }, map[string]service{
		b2bv1connect.BotServiceGetMeProcedure: func(ctx context.Context, _ proto.Message) (proto.Message, error) {
			got = call.From(ctx)
			return &b2bv1.GetMeResponse{Bot: &b2bv1.Bot{}}, nil
		},
	})
	res := do(t, h, "GET /api/me"+asBot+"\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\nX-Forwarded-Proto: https\nUser-Agent: test")
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	if got.Caller.BotID != "b1" || got.Via != "rest" || got.RemoteIP != "192.0.2.7" || got.UserAgent != "test" || got.BaseURL != "https://example.com/hub" {
		t.Errorf("%+v", got)
	}
}
