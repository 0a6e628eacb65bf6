package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/rest"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// oneCaller authenticates every request as this caller; nil means unauthenticated.
type oneCaller struct{ caller *call.Caller }

func (o *oneCaller) Authenticate(context.Context, call.Credentials) (*call.Caller, error) {
	if o.caller == nil {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "Who are you?")
	}
	return o.caller, nil
}

func (o *oneCaller) Session(context.Context, string) (*call.Session, error) { return nil, nil }

// recorder replaces every service, and records that one was called.
type recorder struct {
	reached    atomic.Int32
	operations []*call.Operation
}

func (r *recorder) WrapUnary(connect.UnaryFunc) connect.UnaryFunc {
	return func(_ context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		r.reached.Add(1)
		for _, op := range r.operations {
			if op.Procedure == req.Spec().Procedure {
				return connect.NewResponse(dynamicpb.NewMessage(op.Desc.Output())), nil
			}
		}
		return nil, fmt.Errorf("%s is no operation", req.Spec().Procedure)
	}
}

func (r *recorder) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (r *recorder) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(context.Context, connect.StreamingHandlerConn) error {
		r.reached.Add(1)
		return nil
	}
}

// TestAccess calls every operation as every kind of caller with every set of scopes, over REST and
// over Connect. The test decides from the schema alone which calls are permitted, without the code
// of the server.
func TestAccess(t *testing.T) {
	t.Parallel()
	services := call.Services{
		ArtifactService: b2bv1connect.UnimplementedArtifactServiceHandler{}, ChannelService: b2bv1connect.UnimplementedChannelServiceHandler{},
		ThreadService: b2bv1connect.UnimplementedThreadServiceHandler{}, OrgThreadService: b2bv1connect.UnimplementedOrgThreadServiceHandler{},
		BotService: b2bv1connect.UnimplementedBotServiceHandler{}, PlatformService: b2bv1connect.UnimplementedPlatformServiceHandler{},
		OrgService: b2bv1connect.UnimplementedOrgServiceHandler{}, AuthService: b2bv1connect.UnimplementedAuthServiceHandler{},
		TokenService: b2bv1connect.UnimplementedTokenServiceHandler{}, WebSocketService: b2bv1connect.UnimplementedWebSocketServiceHandler{},
		ServerService: b2bv1connect.UnimplementedServerServiceHandler{}, WebhookService: b2bv1connect.UnimplementedWebhookServiceHandler{},
		LeaseService:    b2bv1connect.UnimplementedLeaseServiceHandler{},
		DecisionService: b2bv1connect.UnimplementedDecisionServiceHandler{},
		SearchService:   b2bv1connect.UnimplementedSearchServiceHandler{},
	}
	operations := services.Operations()
	record := &recorder{operations: operations}
	for _, op := range operations {
		op.Invoke = func(context.Context, proto.Message) (proto.Message, error) {
			record.reached.Add(1)
			return responseOf(t, op), nil
		}
		if op.Receive != nil {
			op.Receive = func(context.Context, func() (proto.Message, error)) (proto.Message, error) {
				record.reached.Add(1)
				return responseOf(t, op), nil
			}
		}
		if op.Stream != nil {
			op.Stream = func(context.Context, proto.Message, func(proto.Message) error) error {
				record.reached.Add(1)
				return nil
			}
		}
	}
	auth := &oneCaller{}
	log := slog.New(slog.DiscardHandler)
	pipeline := call.NewPipeline(auth, log, false)
	overREST, err := rest.New(rest.Config{Operations: operations, Pipeline: pipeline, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	overRPC := newHandler(services, operations, pipeline, call.Edge{}, nil, nil, Elsewhere{}, record)

	calls := 0
	for _, who := range everyCaller() {
		auth.caller = who.caller
		for _, op := range operations {
			want := who.may(op.Access)
			for name, request := range requests(op) {
				handler := overREST
				if name == "connect" {
					handler = overRPC
				}
				calls++
				record.reached.Store(0)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, request)
				if got := record.reached.Load() == 1; got != want {
					t.Errorf("%s, %s by %v: got through: %v, want %v (%d %s)", who.name, op.Procedure, name, got, want, w.Code, w.Body)
				}
				if name == "connect" && (op.Stream != nil || op.Receive != nil) {
					if refused := strings.Contains(w.Body.String(), `"code"`); refused == want || w.Code != 200 {
						t.Errorf("%s, %s as a stream: %d %q", who.name, op.Procedure, w.Code, w.Body)
					}
					continue
				}
				switch ok := w.Code < 300 || w.Code == 503 && !strings.Contains(w.Body.String(), `"code"`); {
				case ok != want:
					t.Errorf("%s, %s by %v: status %d", who.name, op.Procedure, name, w.Code)
				case !ok && w.Code != 401 && w.Code != 403 && w.Code != 400:
					t.Errorf("%s, %s by %v: refused with %d %s", who.name, op.Procedure, name, w.Code, w.Body)
				}
			}
		}
	}
	t.Logf("%d operations, %d kinds of callers, %d calls", len(operations), len(everyCaller()), calls)
}

// who is a caller and how the schema classifies it.
type who struct {
	name   string
	caller *call.Caller
	is     []optionsv1.Caller
	scopes []string // nil: scopes do not apply
}

// scopeSets repeats the rules of the server, so that a mistake there is found.
var scopeSets = map[optionsv1.Scope][]string{
	optionsv1.Scope_SCOPE_READ:    {"full", "read"},
	optionsv1.Scope_SCOPE_MESSAGE: {"full", "message"},
	optionsv1.Scope_SCOPE_THREAD:  {"full", "thread"},
	optionsv1.Scope_SCOPE_PROFILE: {"full", "profile"},
	optionsv1.Scope_SCOPE_FULL:    {"full"},
	optionsv1.Scope_SCOPE_UPLOAD:  {"full", "thread", "message"},
	optionsv1.Scope_SCOPE_ADMIN:   {"full", "admin"},
}

func (w who) may(a *optionsv1.Access) bool {
	allowed := slices.ContainsFunc(w.is, func(c optionsv1.Caller) bool { return slices.Contains(a.GetCallers(), c) })
	if !allowed || w.scopes == nil || a.GetScope() == optionsv1.Scope_SCOPE_UNSPECIFIED || slices.Contains(a.GetCallers(), optionsv1.Caller_CALLER_NOBODY) {
		return allowed
	}
	return slices.ContainsFunc(w.scopes, func(s string) bool { return slices.Contains(scopeSets[a.GetScope()], s) })
}

// everyCaller returns an unauthenticated caller, both kinds of admins, and member and admin bots
// with each of the 64 sets of scopes.
func everyCaller() []who {
	const nobody = optionsv1.Caller_CALLER_NOBODY
	session := &call.Session{}
	all := []who{
		{"nobody", nil, []optionsv1.Caller{nobody}, nil},
		{"org admin", &call.Caller{Kind: call.OrgAdmin, OrgID: "o", Session: session}, []optionsv1.Caller{nobody, optionsv1.Caller_CALLER_ORG_ADMIN}, nil},
		{"super admin", &call.Caller{Kind: call.SuperAdmin, Session: session}, []optionsv1.Caller{nobody, optionsv1.Caller_CALLER_SUPER_ADMIN}, nil},
	}
	names := []string{"full", "read", "thread", "message", "profile", "admin"}
	for set := range 1 << len(names) {
		scopes := []string{}
		for i, name := range names {
			if set&(1<<i) != 0 {
				scopes = append(scopes, name)
			}
		}
		bot := call.Caller{Kind: call.Bot, OrgID: "o", BotID: "b", Scopes: call.ParseScopes(scopes)}
		admin := bot
		admin.Admin = true
		all = append(all,
			who{fmt.Sprintf("bot %v", scopes), &bot, []optionsv1.Caller{nobody, optionsv1.Caller_CALLER_BOT}, scopes},
			who{fmt.Sprintf("admin bot %v", scopes), &admin, []optionsv1.Caller{nobody, optionsv1.Caller_CALLER_BOT, optionsv1.Caller_CALLER_ADMIN_BOT}, scopes},
		)
	}
	return all
}

// requests returns one request for each binding of an operation: its REST paths, by method and
// path, and "connect".
func requests(op *call.Operation) map[string]*http.Request {
	all := make(map[string]*http.Request)
	for _, rule := range op.HTTP {
		method, path := "", ""
		switch {
		case rule.GetGet() != "":
			method, path = "GET", rule.GetGet()
		case rule.GetPost() != "":
			method, path = "POST", rule.GetPost()
		case rule.GetPatch() != "":
			method, path = "PATCH", rule.GetPatch()
		case rule.GetPut() != "":
			method, path = "PUT", rule.GetPut()
		case rule.GetDelete() != "":
			method, path = "DELETE", rule.GetDelete()
		}
		path = strings.NewReplacer("{", "", "}", "").Replace(path) // the names serve as values
		r := httptest.NewRequest(method, path, nil)
		if op.Receive != nil {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		}
		all[method+" "+path] = r
	}
	body, contentType := "{}", "application/json"
	if op.Stream != nil || op.Receive != nil { // an envelope: no flags, 2 bytes
		body, contentType = "\x00\x00\x00\x00\x02{}", "application/connect+json"
	}
	connected := httptest.NewRequest("POST", op.Procedure, strings.NewReader(body))
	connected.Header.Set("Content-Type", contentType)
	all["connect"] = connected
	return all
}

// responseOf returns an empty response of an operation.
func responseOf(t *testing.T, op *call.Operation) proto.Message {
	m, err := protoregistry.GlobalTypes.FindMessageByName(op.Desc.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	return m.New().Interface()
}
