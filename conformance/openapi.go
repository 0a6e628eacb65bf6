package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/b2b-protocol/b2b/conformance/openapi"
)

// openAPIPath is the path at which a server publishes its OpenAPI document.
const openAPIPath = "/api/openapi.json"

// wholeRun is the requirement that all responses and events of a run match the OpenAPI document.
const wholeRun = "B2B-SRV-008"

// openAPIRecorder validates a whole run against the OpenAPI document that the server publishes:
// every response, every request that succeeded, every event. A nil recorder does nothing.
type openAPIRecorder struct {
	document *openapi.Document

	mu     sync.Mutex
	seen   int
	faults []string // without duplicates, in the order in which they were found
}

// loadOpenAPI fetches the document. If it cannot be read, other checks fail and the run continues
// without a recorder.
func (tg *target) loadOpenAPI(ctx context.Context) {
	r, err := tg.send(ctx, "GET", openAPIPath, nil, nil)
	if err != nil || r.status != http.StatusOK {
		tg.logf("the server has no OpenAPI document: the run is not validated against it")
		return
	}
	document, err := openapi.New(r.Body)
	if err != nil {
		tg.logf("the OpenAPI document cannot be used: %v", err)
		return
	}
	tg.recorder = &openAPIRecorder{document: document}
}

// connect is the prefix of the paths of Connect, which the OpenAPI document does not describe.
const connect = "/b2b.v1."

// exchange validates one request and its response.
func (d *openAPIRecorder) exchange(req *http.Request, target string, payload []byte, r *Response) {
	if d == nil || strings.HasPrefix(target, connect) || target == mcpPath || strings.HasPrefix(target, a2aPath) {
		return
	}
	d.record(d.document.Check(openapi.Exchange{
		Method: req.Method, Target: target, RequestType: req.Header.Get("Content-Type"), Request: payload,
		Status: r.status, ResponseType: r.Header.Get("Content-Type"), Response: r.Body,
	}))
}

// event validates a frame that was pushed to a subscriber.
func (d *openAPIRecorder) event(fr Frame) {
	switch {
	case d == nil || fr.isReply():
	case fr.JSON["delivery"] != nil:
		d.record(d.document.StreamedDelivery([]byte(fr.Raw)))
	default:
		d.record(d.document.Event([]byte(fr.Raw)))
	}
}

// webhook validates the body of a webhook delivery.
func (d *openAPIRecorder) webhook(body []byte) {
	if d != nil {
		d.record(d.document.Webhook(body))
	}
}

func (d *openAPIRecorder) record(faults []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	for _, f := range faults {
		if !slices.Contains(d.faults, f) {
			d.faults = append(d.faults, f)
		}
	}
}

// result returns the result of the validation, or nothing if there was no document.
func (d *openAPIRecorder) result() []CheckResult {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return []CheckResult{{
		Name:         fmt.Sprintf("all %d responses, events and webhook deliveries of this run match the OpenAPI document", d.seen),
		Requirements: []string{wholeRun}, Failures: d.faults,
	}}
}

// openAPIChecks checks the document itself.
func openAPIChecks() []Check {
	return []Check{
		{[]string{"B2B-SRV-007"}, "the OpenAPI document is public and has an ETag", func(t *T) {
			for _, c := range []Caller{nil, Token("bot_unknown")} {
				r := t.Get(openAPIPath, c).OK()
				if _, err := openapi.New(r.Body); err != nil {
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
		{[]string{wholeRun, "B2B-HOOK-001"}, "the OpenAPI document describes all webhook events", func(t *T) {
			document, err := openapi.New(t.Get(openAPIPath, nil).OK().Body)
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
		{[]string{wholeRun}, "a request without a body that the OpenAPI document requires fails", func(t *T) {
			document, err := openapi.New(t.Get(openAPIPath, nil).OK().Body)
			if err != nil {
				t.Fatalf("%v", err)
			}
			o := t.Org()
			operations := document.BodyRequired()
			if len(operations) == 0 {
				t.Errorf("no operation of the document requires a body")
			}
			for _, op := range operations {
				if p := profileOfRoute(op.Path); p != core && !t.hasProfile(p) {
					continue
				}
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
