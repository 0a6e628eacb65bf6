package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	h := server(t, nil, map[string]service{
		b2bv1connect.ServerServiceGetVersionProcedure: answers(&b2bv1.GetVersionResponse{Version: "1", Server: "s"}),
		b2bv1connect.ServerServiceGetHealthProcedure:  answers(&b2bv1.GetHealthResponse{Status: b2bv1.HealthStatus_HEALTH_STATUS_DEGRADED, Db: b2bv1.DatabaseStatus_DATABASE_STATUS_ERROR}),
		b2bv1connect.ServerServiceGetSkillProcedure: answers(&b2bv1.GetSkillResponse{Guide: &httpbody.HttpBody{
			ContentType: "text/markdown; charset=utf-8", Data: []byte("# Hello"),
		}}),
		b2bv1connect.ThreadServiceJoinThreadProcedure:  answers(&b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_PENDING, RequestId: proto.String("j1")}),
		b2bv1connect.TokenServiceListTokensProcedure:   answers(&b2bv1.ListTokensResponse{}),
		b2bv1connect.ThreadServiceListThreadsProcedure: func(context.Context, proto.Message) (proto.Message, error) { panic("oops") },
	})
	for _, c := range []struct {
		request string
		status  int
		body    string
		headers string // "Name=value; …"; an empty value: the header is not there
	}{
		{"GET /api/version", 200, `{"version":"1","server":"s","profiles":[]}`, "Content-Type=application/json; charset=utf-8|Content-Length=42|X-Content-Type-Options=nosniff|Cache-Control=private, no-cache"},
		{"HEAD /api/version", 200, ``, "Content-Length=42"},
		{"GET /health", 503, `{"status":"degraded","uptime_ms":0,"connected_clients":0,"connected_bots":0,"db":"error"}`, "Cache-Control=no-store|Etag="},
		{"GET /skill.md", 200, "# Hello", "Content-Type=text/markdown; charset=utf-8|Content-Length=7"},
		{"POST /api/threads/t/join" + asBot, 202, `{"status":"pending","request_id":"j1"}`, "Cache-Control=no-store|Etag="},
		{"GET /api/me/tokens" + asBot, 200, `[]`, ""},
		{"GET /api/threads" + asBot, 500, `{"error":"Internal server error","code":"INTERNAL_ERROR"}`, ""},
	} {
		res := do(t, h, c.request)
		if got := bodyOf(t, res); res.StatusCode != c.status || got != c.body {
			t.Errorf("%s: %d %s, want %d %s", c.request, res.StatusCode, got, c.status, c.body)
		}
		for pair := range strings.SplitSeq(c.headers, "|") {
			name, want, _ := strings.Cut(pair, "=")
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.request, name, got, want)
			}
		}
	}
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		body   string
		retry  string
	}{
		{call.NotFound("thread"), 404, `{"error":"thread not found","code":"NOT_FOUND"}`, ""},
		{
			call.Errorf(b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, "Join <first>").WithHint("POST /join"), 403,
			`{"error":"Join <first>","code":"JOIN_REQUIRED","hint":"POST /join"}`, "",
		},
		{
			&call.Error{Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, Message: "slow", RetryAfter: 42}, 429,
			`{"error":"slow","code":"RATE_LIMITED","retry_after":42}`, "42",
		},
		{
			call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "bot_not_active").With("message", "wait\n").With("join_status", "pending").With("n", int64(1<<60)), 403,
			`{"error":"bot_not_active","code":"BOT_NOT_ACTIVE","join_status":"pending","message":"wait\n","n":1152921504606846976}`, "",
		},
		{call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, "no").WithStatus(400), 400, `{"error":"no","code":"INVALID_TRANSITION"}`, ""},
		{errors.New("the password is 1234"), 500, `{"error":"Internal server error","code":"INTERNAL_ERROR"}`, ""},
	} {
		h := server(t, nil, map[string]service{b2bv1connect.BotServiceGetMeProcedure: fails(c.err)})
		res := do(t, h, "GET /api/me"+asBot)
		if got := bodyOf(t, res); res.StatusCode != c.status || got != c.body {
			t.Errorf("%v: %d %s, want %d %s", c.err, res.StatusCode, got, c.status, c.body)
		}
		if res.Header.Get("Retry-After") != c.retry || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%v: headers %v", c.err, res.Header)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	cookie := &call.Cookie{Value: "abc", MaxAge: 3600}
	var failure error
	h := server(t, nil, map[string]service{b2bv1connect.AuthServiceLoginProcedure: func(ctx context.Context, _ proto.Message) (proto.Message, error) {
		call.From(ctx).Cookie = cookie
		return &b2bv1.LoginResponse{}, failure
	}})
	login := func() string { return do(t, h, "POST /api/auth/login").Header.Get("Set-Cookie") }
	if got, err := http.ParseSetCookie(login()); err != nil || got.Name != call.SessionCookie || got.Value != "abc" || got.MaxAge != 3600 || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode {
		t.Errorf("login sets %v, %v", got, err)
	}
	cookie = &call.Cookie{}
	if got, err := http.ParseSetCookie(login()); err != nil || got.Name != call.SessionCookie || got.Value != "" || got.MaxAge >= 0 {
		t.Errorf("logout sets %v, %v", got, err)
	}
	failure = call.Invalid("no")
	if got := login(); got != "" {
		t.Errorf("a failure sets %q", got)
	}
}

func TestNoContent(t *testing.T) {
	t.Parallel()
	h := server(t, nil, map[string]service{
		b2bv1connect.PlatformServiceDeleteOrgProcedure:        answers(&b2bv1.DeleteOrgResponse{}),
		b2bv1connect.PlatformServiceCreateInviteCodeProcedure: answers(&b2bv1.CreateInviteCodeResponse{}),
	})
	res := do(t, h, "DELETE /api/orgs/o1\nCookie: hxa_session=super")
	if res.StatusCode != http.StatusNoContent || bodyOf(t, res) != "" || res.Header.Get("Content-Type") != "" {
		t.Errorf("status %d, headers %v", res.StatusCode, res.Header)
	}
	if res := do(t, h, "POST /api/platform/invite-codes\nCookie: hxa_session=super"); res.StatusCode != http.StatusCreated {
		t.Errorf("invite code: status %d", res.StatusCode)
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	h := server(t, nil, map[string]service{
		b2bv1connect.ThreadServiceGetThreadProcedure:    answers(&b2bv1.GetThreadResponse{Thread: &b2bv1.Thread{Id: "t", Revision: 3}}),
		b2bv1connect.ThreadServiceCreateThreadProcedure: answers(&b2bv1.CreateThreadResponse{Thread: &b2bv1.Thread{Id: "t", Revision: 3}}),
	})
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /api/threads/t", 200},
		{"GET /api/threads/t\nIf-None-Match: \"3\"", 304},
		{"HEAD /api/threads/t\nIf-None-Match: \"3\"", 304},
		{"GET /api/threads/t\nIf-None-Match: W/\"3\"", 304},
		{"GET /api/threads/t\nIf-None-Match: *", 304},
		{"GET /api/threads/t\nIf-None-Match: \"1\", W/\"a,b\",\"3\"", 304},
		{"GET /api/threads/t\nIf-None-Match: \"1\"\nIf-None-Match: \"3\"", 304},
		{"GET /api/threads/t\nIf-None-Match: \"4\"", 200},
		{"GET /api/threads/t\nIf-None-Match: 3", 200},
		{"GET /api/threads/t\nIf-None-Match: \"3", 200},
		{"GET /api/threads/t\nIf-None-Match: \"3\"\nCache-Control: max-age=0, No-Cache", 200},
		{"POST /api/threads\nIf-None-Match: \"3\"", 200},
	} {
		res := do(t, h, c.request+asBot)
		body := bodyOf(t, res)
		if res.StatusCode != c.status || res.Header.Get("ETag") != `"3"` || res.Header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: status %d, headers %v", c.request, res.StatusCode, res.Header)
		}
		if empty := c.status == 304 || strings.HasPrefix(c.request, "HEAD"); empty != (body == "") {
			t.Errorf("%s: body %q", c.request, body)
		}
	}
	if res := do(t, h, "GET /api/threads/t\nIf-None-Match: *"); res.StatusCode != 401 {
		t.Errorf("without a credential: status %d", res.StatusCode)
	}
}

func TestWeakETag(t *testing.T) {
	t.Parallel()
	version := &b2bv1.GetVersionResponse{Version: "1"}
	h := server(t, nil, map[string]service{b2bv1connect.ServerServiceGetVersionProcedure: answers(version)})
	tag := do(t, h, "GET /api/version").Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("ETag %q", tag)
	}
	if res := do(t, h, "GET /api/version\nIf-None-Match: "+tag); res.StatusCode != 304 || res.Header.Get("ETag") != tag {
		t.Errorf("the same again: status %d", res.StatusCode)
	}
	version.Version = "2"
	if res := do(t, h, "GET /api/version\nIf-None-Match: "+tag); res.StatusCode != 200 {
		t.Errorf("changed: status %d", res.StatusCode)
	}
}
