package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/b2b-protocol/b2b/conformance/contract"
)

// openAPIPath is where a server publishes its OpenAPI document.
const openAPIPath = "/api/openapi.json"

// wholeRun is the requirement that everything which a run sees speaks for or against.
const wholeRun = "B2B-SRV-008"

// described holds a whole run against the document that the server publishes: every
// answer, every request that succeeded, every event. The nil one takes anything.
type described struct {
	document *contract.Contract

	mu     sync.Mutex
	seen   int
	faults []string // each once, in the order of their discovery
}

// describe fetches the document. A server without a readable one has failed checks of
// its own; the run goes on without.
func (tg *target) describe(ctx context.Context) {
	r, err := tg.send(ctx, "GET", openAPIPath, nil, nil)
	if err != nil || r.status != http.StatusOK {
		tg.logf("no OpenAPI document to hold the run against")
		return
	}
	document, err := contract.New(r.Body)
	if err != nil {
		tg.logf("the OpenAPI document cannot be used: %v", err)
		return
	}
	tg.described = &described{document: document}
}

// connect begins the paths of Connect, which the document of the REST binding does not
// describe.
const connect = "/b2b.v1."

// exchange takes one request and its answer.
func (d *described) exchange(req *http.Request, target string, payload []byte, r *Response) {
	if d == nil || strings.HasPrefix(target, connect) {
		return
	}
	d.record(d.document.Check(contract.Exchange{
		Method: req.Method, Target: target, RequestType: req.Header.Get("Content-Type"), Request: payload,
		Status: r.status, AnswerType: r.Header.Get("Content-Type"), Answer: r.Body,
	}))
}

// event takes what was pushed to a subscriber.
func (d *described) event(fr Frame) {
	if d == nil || fr.answers() {
		return
	}
	d.record(d.document.Event([]byte(fr.Raw)))
}

// webhook takes what was posted to a webhook.
func (d *described) webhook(body []byte) {
	if d != nil {
		d.record(d.document.Webhook(body))
	}
}

func (d *described) record(faults []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	for _, f := range faults {
		if !slices.Contains(d.faults, f) {
			d.faults = append(d.faults, f)
		}
	}
}

// result is the verdict on everything that the run saw, if there was a document.
func (d *described) result() []CheckResult {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return []CheckResult{{
		Name:         fmt.Sprintf("all %d answers, events and webhooks of this run are as the OpenAPI document says", d.seen),
		Requirements: []string{wholeRun}, Failures: d.faults,
	}}
}

// openAPIChecks cover the document itself.
func openAPIChecks() []Check {
	return []Check{
		{[]string{"B2B-SRV-007"}, "anybody can read the OpenAPI document, and keep it", func(t *T) {
			for _, c := range []Caller{nil, Token("bot_unknown")} {
				r := t.Get(openAPIPath, c).OK()
				if _, err := contract.New(r.Body); err != nil {
					t.Errorf("%v", err)
				}
				tag := r.Header.Get("ETag")
				if tag == "" {
					t.Fatalf("%s has no ETag", openAPIPath)
				}
				t.Get(openAPIPath, c, Header("If-None-Match", tag)).Status(304).Empty()
				t.Get(openAPIPath, c, Header("If-None-Match", `"other"`)).Status(200)
			}
		}},
		{[]string{wholeRun, "B2B-HOOK-001"}, "the OpenAPI document has the webhooks that there are", func(t *T) {
			document, err := contract.New(t.Get(openAPIPath, nil).OK().Body)
			if err != nil {
				t.Fatalf("%v", err)
			}
			want := []string{
				"bot_join_request", "message", "thread_artifact", "thread_created", "thread_join_request", "thread_message",
				"thread_participant", "thread_status_changed", "thread_updated",
			}
			if got := document.Webhooks(); !slices.Equal(got, want) {
				t.Errorf("the document has the webhooks %v, want %v", got, want)
			}
		}},
		{[]string{wholeRun}, "what the OpenAPI document requires is required", func(t *T) {
			document, err := contract.New(t.Get(openAPIPath, nil).OK().Body)
			if err != nil {
				t.Fatalf("%v", err)
			}
			o := t.Org()
			needing := document.Needing()
			if len(needing) == 0 {
				t.Errorf("the document requires no body anywhere")
			}
			for _, op := range needing {
				var c Caller
				switch {
				case slices.Contains(op.Callers, "super_admin"):
					c = t.Super()
				case !slices.Contains(op.Callers, "nobody"):
					c = o.Admin
				}
				t.Do(op.Method, op.Path, c, J{}).Refused(400, "VALIDATION_ERROR")
			}
		}},
	}
}
