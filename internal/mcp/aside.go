package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Inbox lets calls of wait wait without a claim that waits, which would hold the goroutines and buffers
// of a session and of a call for minutes.
type Inbox interface {
	// Await starts to wake the bot of a request: woken receives when a claim may get something. leave
	// ends that. With an error a claim that waits is made instead, which says what is wrong.
	Await(ctx context.Context) (woken <-chan struct{}, leave func(), err error)
	// Current reports whether the credential of a request is still valid.
	Current(ctx context.Context) bool
}

// claimBeats is at how many heartbeats a call that waits aside claims although nothing woke it. The
// server tells senders that a bot is there if it has claimed within the last two minutes.
const claimBeats = 9

// waiting is what a call of wait that waits aside holds, and its outcome.
type waiting struct {
	tools  *tools
	thread string
	token  any // of its progress; nil: none
	end    time.Time
	beats  int

	over     bool
	delivery *b2bv1.Delivery // nil with over and without err: it timed out
	err      error
}

// errAside is what wait returns when it waits aside. The library makes a response of it, which is
// dropped.
var errAside = errors.New("mcp: the call waits aside")

// serveAside serves a call of wait. The library handles the request twice: first it checks it and calls
// the tool, which says that it waits. Then only this goroutine is left, with a small stack, until
// there is an outcome. With that the library handles the request again, and writes the response.
func (h *handler) serveAside(w http.ResponseWriter, r *http.Request, q *request) {
	out := &decided{ResponseWriter: w, request: q}
	for r.Context().Err() == nil {
		r.Body = io.NopCloser(bytes.NewReader(q.body))
		apart(func() { h.next.ServeHTTP(out, r) })
		if q.waits == nil || q.waits.over {
			return
		}
		h.hold(w, r, q)
	}
}

// hold waits in place of a call until it has an outcome.
func (h *handler) hold(w http.ResponseWriter, r *http.Request, q *request) {
	wait := q.waits
	woken, leave, err := h.inbox.Await(r.Context())
	if err != nil {
		q.aside, q.waits = false, nil
		return
	}
	defer leave()
	apart(func() { wait.claim(q) })
	tick := time.NewTimer(wait.next())
	defer tick.Stop()
	for !wait.over {
		select {
		case <-woken:
			apart(func() { wait.claim(q) })
		case <-tick.C:
			apart(func() { h.beat(w, q) })
			tick.Reset(wait.next())
		case <-q.gone.Done():
			wait.finish(nil, q.gone.Err())
		}
	}
}

// next returns how long it is until the next heartbeat, or the end.
func (w *waiting) next() time.Duration { return min(heartbeat, time.Until(w.end)) }

// beat reports progress, and claims if it is time to, or if the claim would say that the credential is
// not valid any more.
func (h *handler) beat(w http.ResponseWriter, q *request) {
	wait := q.waits
	if time.Until(wait.end) <= 0 {
		wait.finish(nil, nil)
		return
	}
	wait.beats++
	if err := wait.report(w); err != nil {
		wait.finish(nil, err)
		return
	}
	if wait.beats%claimBeats == 0 || !h.inbox.Current(q.gone) {
		wait.claim(q)
	}
}

// claim ends the wait if there is a delivery, or an error. What it took for a client that is gone, it
// gives back.
func (w *waiting) claim(q *request) {
	if q.gone.Err() != nil {
		return
	}
	id := uuid.NewString()
	d, err := w.tools.claim(q.gone, id, w.thread, 0)
	switch {
	case err != nil && (q.gone.Err() != nil || passing(err)):
		w.tools.takeBack(q.gone, id, w.thread)
	case d != nil:
		q.unlessGot(func() { w.tools.giveBack(q.gone, d) })
	}
	if d != nil || err != nil {
		w.finish(d, err)
	}
}

func (w *waiting) finish(d *b2bv1.Delivery, err error) { w.over, w.delivery, w.err = true, d, err }

// report sends the notification of progress that the library would send.
func (w *waiting) report(to http.ResponseWriter) error {
	if w.token == nil {
		return nil
	}
	text, err := json.Marshal(notification{"2.0", "notifications/progress", &sdk.ProgressNotificationParams{
		ProgressToken: w.token, Progress: float64(w.beats), Message: waitingText,
	}})
	if err != nil {
		return fmt.Errorf("write progress: %w", err)
	}
	if _, err := fmt.Fprintf(to, "event: message\ndata: %s\n\n", text); err != nil {
		return fmt.Errorf("report progress: %w", err)
	}
	if err := http.NewResponseController(to).Flush(); err != nil {
		return fmt.Errorf("report progress: %w", err)
	}
	return nil
}

// notification is a message of MCP without a response.
type notification struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// decided is the response of a call that may wait aside. What is written while it waits is dropped.
type decided struct {
	http.ResponseWriter
	request *request
	written bool // the outcome, at least its beginning
}

// WriteHeader implements http.ResponseWriter.
func (d *decided) WriteHeader(status int) {
	if !d.waits() {
		d.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (d *decided) Write(p []byte) (int, error) {
	if d.waits() {
		return len(p), nil
	}
	n, err := d.ResponseWriter.Write(p)
	d.written = d.written || n > 0
	return n, err
}

// FlushError serves http.ResponseController.
func (d *decided) FlushError() error {
	if d.waits() {
		return nil
	}
	err := http.NewResponseController(d.ResponseWriter).Flush()
	if err == nil && d.written && d.request.gone.Err() == nil {
		d.request.got() // a client may close the connection as soon as it has the outcome
	}
	return err
}

func (d *decided) waits() bool { return d.request.waits != nil && !d.request.waits.over }

// apart runs f on a goroutine of its own, so that the stack that f needs is not kept by this one.
func apart(f func()) {
	done := make(chan struct{})
	var panicked any
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
}
