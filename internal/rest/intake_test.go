package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/rest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// touchy records whether it was read.
type touchy struct {
	io.Reader
	read bool
}

func (r *touchy) Read(p []byte) (int, error) {
	r.read = true
	return r.Reader.Read(p)
}

// No byte of the body is read if the path or the caller is refused (B2B-HTTP-021).
func TestUnauthenticatedBodyIsNotRead(t *testing.T) {
	t.Parallel()
	h := server(t, nil, map[string]service{b2bv1connect.ThreadServiceCreateThreadProcedure: answers(&b2bv1.CreateThreadResponse{Thread: benchThread})})
	for _, c := range []struct {
		path, token string
		status      int
		read        bool
	}{
		{"/api/threads", "", 401, false},
		{"/api/threads", "who", 401, false},
		{"/api/threads", "reader", 403, false},
		{"/api/nothing", "", 401, false},
		{"/api/nothing", "bot", 404, false},
		{"/api/files/upload", "", 401, false},
		{"/api/org/tickets", "bot", 403, false},
		{"/api/threads", "bot", 200, true},
	} {
		body := &touchy{Reader: strings.NewReader(`{"topic":"a"}`)}
		r := httptest.NewRequest("POST", "/", body)
		r.URL.Path, r.URL.RawPath = c.path, c.path
		r.ProtoMajor = 2 // a body that is refused over HTTP/1 is read
		r.Header.Set("Content-Type", "application/json")
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || body.read != c.read {
			t.Errorf("%s by %q: %d, read: %v; want %d, %v: %s", c.path, c.token, w.Code, body.read, c.status, c.read, w.Body)
		}
	}
}

// Bodies without room are refused; small ones are still accepted (B2B-LIM-032).
func TestNoRoom(t *testing.T) {
	t.Parallel()
	budget := intake.New(intake.Sizes{Share: 40 << 10, Whole: 40 << 10, Address: 40 << 10, Patience: 10 * time.Millisecond}, nil)
	held, release := make(chan struct{}), make(chan struct{})
	h := server(t, func(c *rest.Config) { c.Intake = budget }, map[string]service{
		b2bv1connect.ThreadServiceCreateThreadProcedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
			if m.(*b2bv1.CreateThreadRequest).GetTopic() == "held" {
				close(held)
				<-release
			}
			return &b2bv1.CreateThreadResponse{Thread: benchThread}, nil
		},
		b2bv1connect.AuthServiceLoginProcedure: answers(&b2bv1.LoginResponse{}),
	})
	post := func(path, topic string, size int) string {
		w := do(t, h, fmt.Sprintf("POST %s%s\nContent-Type: application/json\n\n{\"topic\":%q,\"pad\":%q}", path, asBot, topic, strings.Repeat("x", size)))
		return fmt.Sprint(w.StatusCode, " ", w.Header.Get("Retry-After"), " ", strings.Contains(bodyOf(t, w), `"hint"`))
	}
	done := make(chan string)
	go func() { done <- post("/api/threads", "held", 40<<10) }()
	<-held
	if got := post("/api/threads", "next", 40<<10); got != "429 1 true" {
		t.Errorf("another large one of the org: %s", got)
	}
	if got := post("/api/threads", "small", 1<<10); got != "200  false" {
		t.Errorf("a small one of the org: %s", got)
	}
	w := do(t, h, "POST /api/auth/login\nContent-Type: application/json\n\n{\"pad\":\""+strings.Repeat("x", 40<<10)+"\"}")
	if w.StatusCode != 503 || w.Header.Get("Retry-After") != "1" {
		t.Errorf("a large one without a credential: %d", w.StatusCode)
	}
	close(release)
	if got := <-done; got != "200  false" {
		t.Errorf("the one that had room: %s", got)
	}
	if got := post("/api/threads", "next", 40<<10); got != "200  false" {
		t.Errorf("after it: %s", got)
	}
}

// unreadWriter is a client that does not read the response body until released.
type unreadWriter struct {
	*httptest.ResponseRecorder
	begun, release chan struct{}
}

func (w unreadWriter) Write(p []byte) (int, error) {
	close(w.begun)
	<-w.release
	return w.ResponseRecorder.Write(p)
}

// Large responses without room are refused if the call only reads; small ones and those of changes
// are sent (B2B-LIM-035).
func TestNoRoomForResponses(t *testing.T) {
	t.Parallel()
	held := intake.NewAnswers(intake.Sizes{Share: 100 << 10, Patience: 10 * time.Millisecond}, nil)
	large := &b2bv1.Thread{Id: "t", Topic: strings.Repeat("x", 80<<10)}
	h := server(t, func(c *rest.Config) { c.Answers = held }, map[string]service{
		b2bv1connect.ThreadServiceGetThreadProcedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
			if m.(*b2bv1.GetThreadRequest).GetThreadId() == "small" {
				return &b2bv1.GetThreadResponse{Thread: benchThread}, nil
			}
			return &b2bv1.GetThreadResponse{Thread: large}, nil
		},
		b2bv1connect.ThreadServiceCreateThreadProcedure: answers(&b2bv1.CreateThreadResponse{Thread: large}),
	})
	slow := unreadWriter{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest("GET", "/api/threads/large", nil)
		r.Header.Set("Authorization", "Bearer bot")
		h.ServeHTTP(slow, r)
	}()
	<-slow.begun
	w := do(t, h, "GET /api/threads/large"+asBot+"\n\n")
	if body := bodyOf(t, w); w.StatusCode != 429 || w.Header.Get("Retry-After") != "1" || w.Header.Get("Etag") != "" || !strings.Contains(body, `"hint"`) {
		t.Errorf("a large response beside an unread one: %d %v %.200s", w.StatusCode, w.Header, body)
	}
	for name, c := range map[string]string{
		"a small one":        "GET /api/threads/small" + asBot + "\n\n",
		"one without a body": "HEAD /api/threads/large" + asBot + "\n\n",
		"one of a change":    "POST /api/threads" + asBot + "\nContent-Type: application/json\n\n{\"topic\":\"a\"}",
	} {
		if w := do(t, h, c); w.StatusCode != 200 {
			t.Errorf("%s: %d", name, w.StatusCode)
		}
	}
	close(slow.release)
	<-done
	if slow.Code != 200 || slow.Body.Len() < 80<<10 {
		t.Errorf("the one that had room: %d, %d bytes", slow.Code, slow.Body.Len())
	}
	if w := do(t, h, "GET /api/threads/large"+asBot+"\n\n"); w.StatusCode != 200 {
		t.Errorf("after it: %d", w.StatusCode)
	}
}

// A client that does not read an error holds no turn to read or to decode (B2B-LIM-020).
func TestUnreadErrorsHoldNoTurn(t *testing.T) {
	t.Parallel()
	limiter := concurrency.NewLimiter(concurrency.Config{Scheduler: concurrency.Scheduler{Processors: 1}})
	h := server(t, func(c *rest.Config) {
		c.Intake, c.Answers = intake.New(intake.Sizes{}, limiter), intake.NewAnswers(intake.Sizes{}, limiter)
	}, map[string]service{
		b2bv1connect.ThreadServiceGetThreadProcedure: func(_ context.Context, m proto.Message) (proto.Message, error) {
			if m.(*b2bv1.GetThreadRequest).GetThreadId() == "none" {
				return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "Thread not found")
			}
			return &b2bv1.GetThreadResponse{Thread: benchThread}, nil
		},
		b2bv1connect.ThreadServiceCreateThreadProcedure: answers(&b2bv1.CreateThreadResponse{Thread: benchThread}),
	})
	large := strings.Repeat("x", 100<<10)
	for name, c := range map[string]struct {
		method, path, body string
		next               string
	}{
		"of a read":           {"GET", "/api/threads/none", "", "GET /api/threads/t" + asBot + "\n\n"},
		"of a large body":     {"POST", "/api/threads", `{"topic":"` + large, "POST /api/threads" + asBot + "\nContent-Type: application/json\n\n{\"topic\":\"" + large + "\"}"},
		"of a large argument": {"POST", "/api/threads", `{"topic":7,"pad":"` + large + `"}`, "POST /api/threads" + asBot + "\nContent-Type: application/json\n\n{\"topic\":\"" + large + "\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			slow := unreadWriter{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
			done := make(chan struct{})
			go func() {
				defer close(done)
				r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
				r.Header.Set("Authorization", "Bearer bot")
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(slow, r)
			}()
			<-slow.begun
			next := make(chan int)
			go func() { next <- do(t, h, c.next).StatusCode }()
			select {
			case status := <-next:
				if status != 200 {
					t.Errorf("the next call: %d", status)
				}
			case <-time.After(10 * time.Second):
				t.Error("the next call waits for the client")
			}
			close(slow.release)
			<-done
			if slow.Code < 400 {
				t.Errorf("the first: %d", slow.Code)
			}
		})
	}
}
