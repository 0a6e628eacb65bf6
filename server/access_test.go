package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
)

// TestAccessOfEveryCall makes one harmless call of every RPC as every kind of caller with every scope, over
// REST and over Connect. A caller without access must get the declared status and code, and a
// caller with access a response of the call itself. Calls that change something have a request_id
// that is too long, which is checked after access and before anything is changed.
func TestAccessOfEveryCall(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	o := n.newOrg(t, "own")
	cells := 0
	for _, op := range operations() {
		for _, c := range o.callers {
			if isPublic(op) && c.header.Get("Cookie") != "" {
				continue // nothing is refused, and Logout would end the caller
			}
			values := harmless(t, op, o)
			if len(op.HTTP) > 0 {
				method, target, body := rest(t, op, values)
				a := n.send(c, method, target, body)
				judge(t, op, c, "REST", a, fmt.Sprintf("%d %s", a.status, a.code()))
				cells++
			}
			a := n.connect(t, c, op, values)
			judge(t, op, c, "Connect", a, fmt.Sprintf("%d %s", restStatus(a), connectCode(a)))
			cells++
		}
	}
	t.Logf("%d cells", cells)
}

func harmless(t *testing.T, op *call.Operation, o *org) map[string]any {
	t.Helper()
	values := make(map[string]any)
	for _, f := range idFieldsOf(t, op) {
		left := optional.MatchString(f) || optional.MatchString(method(op)+"."+f)
		if kinds, _ := lookup(idFields, op, f); kinds[0] != "invite" && (!left || needed(op, f)) {
			values[f] = neighbour(o.at[kinds[0]])
		} else if needed(op, f) {
			values[f] = "none"
		}
	}
	if op.Changes {
		values["request_id"] = strings.Repeat("x", limits.MaxRequestID+1)
	}
	for _, f := range []string{"since", "q"} {
		if v, ok := fillers[method(op)+"."+f]; ok {
			values[f] = v
		}
	}
	return values
}

// judge compares a response, in short "status CODE", with the schema.
func judge(t *testing.T, op *call.Operation, c caller, via string, a answer, got string) {
	t.Helper()
	want := refused(op, c)
	if want != "" {
		if got != want {
			t.Errorf("%s by %s over %s: %v, want %s", method(op), c.name, via, a, want)
		}
		return
	}
	reached := got == "200 " || strings.HasSuffix(got, " NOT_FOUND") && !isPublic(op) && !strings.Contains(a.body, "No such path")
	if op.Changes {
		reached = got == "400 VALIDATION_ERROR" && strings.Contains(a.body, "request_id")
	}
	if isPublic(op) {
		reached = reached || got == "400 VALIDATION_ERROR" || got == "401 AUTH_REQUIRED" // there is no session to return or to end
	}
	if !reached {
		t.Errorf("%s by %s over %s did not reach the service: %v", method(op), c.name, via, a)
	}
}

// connectCode returns the protocol's code in a Connect error.
func connectCode(a answer) string {
	var e struct {
		Details []struct {
			Debug struct {
				Code string `json:"code"`
			} `json:"debug"`
		} `json:"details"`
	}
	if json.Unmarshal([]byte(a.body), &e) != nil || len(e.Details) == 0 {
		return ""
	}
	return strings.TrimPrefix(e.Details[0].Debug.Code, "ERROR_CODE_")
}

// restStatus returns the REST status for the code of a Connect error, since some Connect codes
// stand for several.
func restStatus(a answer) int {
	switch connectCode(a) {
	case "":
		return a.status
	case "INSUFFICIENT_SCOPE", "FORBIDDEN", "HUMAN_SESSION_REQUIRED":
		return 403
	case "AUTH_REQUIRED":
		return 401
	case "NOT_FOUND":
		return 404
	}
	return 400
}
