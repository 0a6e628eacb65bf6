package accesslog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/accesslog"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/logtest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// answering is a handler that makes a call as a binding does.
func answering(code b2bv1.ErrorCode, status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := call.Edge{AccessLog: true}.Info(r, "rest")
		info.Operation = &call.Operation{Procedure: "/b2b.v1.ChannelService/SendDirectMessage"}
		info.Caller = &call.Caller{Kind: call.Bot, OrgID: "org1", BotID: "bot1", BotName: "secret-name"}
		info.Access.Code, info.Access.RequestID = code, strings.Repeat("r", 70)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "answer")
	})
}

func request() *http.Request {
	r := httptest.NewRequest("POST", "/api/send?token=secret", strings.NewReader("secret body"))
	r.Header.Set("Authorization", "Bearer secret")
	r.RemoteAddr = "10.1.2.3:4000"
	return r
}

// TestLine: what a line has, and that it has nothing secret (B2B-LIM-016).
func TestLine(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	l := accesslog.New(slog.New(slog.NewJSONHandler(&log, nil)), accesslog.All, 10, call.Edge{})
	l.Handler(answering(b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, 409)).ServeHTTP(httptest.NewRecorder(), request())
	var got map[string]any
	if err := json.Unmarshal([]byte(log.String()), &got); err != nil {
		t.Fatal(err)
	}
	if took, ok := got["took_ms"].(float64); !ok || took < 0 || took > 60_000 {
		t.Errorf("took %v", got["took_ms"])
	}
	delete(got, "took_ms")
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "access", "method": "POST", "status": 409, "binding": "rest", "client": "10.1.2.3",
		"operation": "b2b.v1.ChannelService/SendDirectMessage", "code": "THREAD_CLOSED", "caller": "bot", "org": "org1", "bot": "bot1",
		"bytes_in": 11, "bytes_out": 6, "request_id": strings.Repeat("r", 64),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the line is %v, want %v", got, want)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the line has a secret: %s", &log)
	}
}

// TestModes: which requests get a line.
func TestModes(t *testing.T) {
	t.Parallel()
	ok, refused := answering(0, 200), answering(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 404)
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	inTrailer := answering(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 200) // as gRPC has it
	aborted := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, c := range []struct {
		mode    accesslog.Mode
		handler http.Handler
		upgrade bool
		line    bool
	}{
		{accesslog.All, ok, false, true},
		{accesslog.All, refused, false, true},
		{accesslog.All, bare, false, true},
		{accesslog.All, ok, true, false},
		{accesslog.Errors, ok, false, false},
		{accesslog.Errors, refused, false, true},
		{accesslog.Errors, bare, false, true},
		{accesslog.Errors, inTrailer, false, true},
		{accesslog.Errors, aborted, false, true},
		{accesslog.Off, refused, false, false},
	} {
		var log logtest.Buffer
		l := accesslog.New(slog.New(slog.NewTextHandler(&log, nil)), c.mode, 10, call.Edge{})
		r := request()
		if c.upgrade {
			r.Header.Set("Upgrade", "websocket")
		}
		if l == nil {
			r = r.WithContext(call.WithAccess(r.Context(), &call.Access{}))
		}
		func() {
			defer func() {
				if v := recover(); v != nil && v != http.ErrAbortHandler && !c.upgrade {
					panic(v)
				}
			}()
			l.Handler(c.handler).ServeHTTP(httptest.NewRecorder(), r)
		}()
		if line := log.String() != ""; line != c.line {
			t.Errorf("%s: %q", c.mode, log.String())
		}
		if c.line && !strings.Contains(log.String(), "client=10.1.2.3") {
			t.Errorf("%s: no address in %q", c.mode, log.String())
		}
	}
}

// TestBound: the lines of a second are bounded, and the number of the calls without one is logged
// once a minute (B2B-LIM-016).
func TestBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // the beginning of a second
		var log logtest.Buffer
		l := accesslog.New(slog.New(slog.NewTextHandler(&log, nil)), accesslog.All, 5, call.Edge{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		calls := func(n int) {
			for range n {
				l.Call(ctx, &call.Access{Info: &call.Info{Via: "ws", Caller: &call.Caller{}}}, 10, 20, time.Now())
			}
		}
		lines := func() (access, left int) {
			return strings.Count(log.String(), "msg=access"), strings.Count(log.String(), "without a line")
		}
		calls(100)
		if access, left := lines(); access != 5 || left != 1 {
			t.Errorf("%d lines and %d warnings of 100 calls", access, left)
		}
		time.Sleep(time.Second)
		calls(100)
		if access, left := lines(); access != 10 || left != 1 {
			t.Errorf("%d lines and %d warnings of 200 calls", access, left)
		}
		time.Sleep(2 * time.Minute)
		calls(1)
		if access, left := lines(); access != 11 || left != 2 || !strings.Contains(log.String(), "count=189") {
			t.Errorf("%d lines and %d warnings: %s", access, left, &log)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWriter: streams can be flushed, and files go to the connection as they did.
func TestWriter(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	l := accesslog.New(slog.New(slog.NewTextHandler(&log, nil)), accesslog.All, 10, call.Edge{})
	s := httptest.NewUnstartedServer(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
		if _, ok := w.(io.ReaderFrom); ok != (r.ProtoMajor == 1) {
			t.Errorf("io.ReaderFrom on HTTP/%d: %v", r.ProtoMajor, ok)
		}
		if _, err := io.Copy(w, strings.NewReader("four")); err != nil {
			t.Error(err)
		}
	})))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	for _, two := range []bool{false, true} {
		client := &http.Transport{Protocols: new(http.Protocols)}
		client.Protocols.SetHTTP1(!two)
		client.Protocols.SetUnencryptedHTTP2(two)
		res, err := (&http.Client{Transport: client}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); err != nil || string(text) != "four" {
			t.Errorf("%q, %v", text, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	}
	s.Close()
	if strings.Count(log.String(), "bytes_out=4") != 2 || strings.Count(log.String(), "status=200") != 2 {
		t.Errorf("logged %s", &log)
	}
}
