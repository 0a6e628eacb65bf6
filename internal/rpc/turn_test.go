package rpc_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/rpc"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// unreadWriter is a client that does not read its response until released.
type unreadWriter struct {
	*httptest.ResponseRecorder
	begun   func()
	release chan struct{}
}

func (w unreadWriter) Write(p []byte) (int, error) {
	w.begun()
	<-w.release
	return w.ResponseRecorder.Write(p)
}

// A client that does not read an error holds no turn to read or to decode (B2B-LIM-020).
func TestUnreadErrorsHoldNoTurn(t *testing.T) {
	t.Parallel()
	limiter := concurrency.NewLimiter(concurrency.Config{Scheduler: concurrency.Scheduler{Processors: 1}})
	s := services()
	known := callers{"bot": {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeFull}}
	h := rpc.New(s, s.Operations(), call.NewPipeline(known, slog.New(slog.DiscardHandler), false), call.Edge{},
		intake.New(intake.Sizes{}, limiter), intake.NewAnswers(intake.Sizes{}, limiter), elsewhere)
	large := strings.Repeat("x", 100<<10)
	request := func(procedure, body string) *http.Request {
		r := httptest.NewRequest("POST", procedure, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer bot")
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	const read, change = b2bv1connect.ThreadServiceGetThreadProcedure, b2bv1connect.ThreadServiceCreateThreadProcedure
	for name, c := range map[string]struct{ procedure, body, next string }{
		"of a read":         {read, `{"threadId":"busy"}`, `{"threadId":"t"}`},
		"of a large body":   {change, `{"topic":"` + large, `{"topic":"a","context":"` + large + `"}`},
		"of a large number": {change, `{"topic":7,"context":"` + large + `"}`, `{"topic":"a","context":"` + large + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			slow := unreadWriter{httptest.NewRecorder(), sync.OnceFunc(func() { close(begun) }), make(chan struct{})}
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.ServeHTTP(slow, request(c.procedure, c.body))
			}()
			<-begun
			next := make(chan struct{})
			go func() {
				defer close(next)
				h.ServeHTTP(httptest.NewRecorder(), request(c.procedure, c.next))
			}()
			select {
			case <-next:
			case <-time.After(10 * time.Second):
				t.Error("the next call waits for the client")
			}
			close(slow.release)
			<-done
			if slow.Code < 400 {
				t.Errorf("the first: %d", slow.Code)
			}
			<-next
		})
	}
}
