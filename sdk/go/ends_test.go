package b2b

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// closesFile is sdk/testdata/closes.json.
type closesFile struct {
	Closes     []closesRow
	StreamEnds []closesRow `json:"stream_ends"`
	Refusals   []closesRow
}

type closesRow struct {
	Close               int
	Error, Reason, Code string
	JoinStatus          string `json:"join_status"`
	Action              action
}

func readCloses(t *testing.T) (file closesFile) {
	t.Helper()
	text, err := os.ReadFile("../testdata/closes.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Closes) < 30 || len(file.Refusals) < 8 || len(file.StreamEnds) == 0 {
		t.Fatalf("the file has only %+v", file)
	}
	return file
}

// TestCloses: the listener does after each close frame and error what the server's table says
// (B2B-SDK-020).
func TestCloses(t *testing.T) {
	t.Parallel()
	file := readCloses(t)
	known := map[int]bool{}
	for _, row := range file.Closes {
		known[row.Close] = true
		reason := row.Reason
		if reason == "" {
			reason = "a reason of a later server"
		}
		e := closeEnd(row.Close, reason)
		if e.action != row.Action || row.Action == stop && CodeOf(e) != codeNamed(row.Code) {
			t.Errorf("%d %q leads to %s with %v; want %s with %s", row.Close, reason, e.action, CodeOf(e), row.Action, row.Code)
		}
		if row.Action == resync && row.Reason != "" && CodeOf(e) != codeNamed(row.Reason) {
			t.Errorf("%d %q has the code %v", row.Close, reason, CodeOf(e))
		}
	}
	for _, row := range closeRows {
		if !known[row.code] {
			t.Errorf("the file has no close code %d", row.code)
		}
	}
	if e := closeEnd(4999, "a later server"); e.action != backOff {
		t.Errorf("a close code that is not known leads to %s", e.action)
	}

	refusals := map[string]bool{}
	for _, row := range file.Refusals {
		refusals[row.Error] = true
		detail := &b2bv1.ErrorDetail{Code: codeNamed(row.Error)}
		if row.JoinStatus != "" {
			detail.Extras = map[string]string{"join_status": row.JoinStatus}
		}
		if got := endOf(catalogue.Error("x", detail), false).action; got != row.Action {
			t.Errorf("%s %s leads to %s, want %s", row.Error, row.JoinStatus, got, row.Action)
		}
	}
	ended := map[string]action{}
	for _, row := range file.StreamEnds {
		ended[row.Error] = row.Action
	}
	values := b2bv1.ErrorCode(0).Descriptor().Values()
	for i := 1; i < values.Len(); i++ {
		code := b2bv1.ErrorCode(values.Get(i).Number())
		name := string(values.Get(i).Name())[len("ERROR_CODE_"):]
		err := catalogue.Error("x", &b2bv1.ErrorDetail{Code: code})
		if CodeOf(err) != code {
			t.Errorf("an error of %s has the code %v", name, CodeOf(err))
		}
		want := stop
		if catalogue.HTTPStatus(code) >= 500 {
			want = backOff
		}
		if got := endOf(err, false).action; got != want && !refusals[name] || name == "BOT_NOT_ACTIVE" && got != stop {
			t.Errorf("%s leads to %s, want %s", name, got, want)
		}
		if want, has := ended[name]; has && endOf(err, true).action != want {
			t.Errorf("%s at the end of a stream leads to %s, want %s", name, endOf(err, true).action, want)
		}
	}
	if got := endOf(errors.New("no response"), false).action; got != backOff {
		t.Errorf("no response leads to %s", got)
	}
}

// TestStreamEnds: the last event of a stream says what to do, with a pause if it states one
// (B2B-SDK-020, B2B-SDK-021).
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, data string
		want       action
		pause      int
	}{
		{"resume", `{"error": "The client reads too slowly", "code": "UNAVAILABLE"}`, reconnect, 0},
		{"resume", `{"error": "The server is stopping", "code": "UNAVAILABLE", "retry_after": 3}`, backOff, 3},
		{"error", `{"error": "x", "code": "TOKEN_EXPIRED"}`, stop, 0},
		{"error", `{"error": "x", "code": "FORBIDDEN"}`, backOff, 0},
		{"error", `{"error": "x", "code": "EPOCH_CHANGED"}`, resync, 0},
		{"error", `{"error": "x", "code": "A_LATER_CODE"}`, backOff, 0},
		{"error", `no JSON`, backOff, 0},
	} {
		if e := streamEnd(c.kind, []byte(c.data)); e.action != c.want || int(e.pause.Seconds()) != c.pause {
			t.Errorf("%s %s leads to %s after %v", c.kind, c.data, e.action, e.pause)
		}
	}
	for status, want := range map[int]action{401: stop, 404: stop, http.StatusTooManyRequests: backOff, 502: backOff, 301: backOff} {
		if got := ofStatus(status); got != want {
			t.Errorf("the status %d leads to %s", status, got)
		}
	}
}
