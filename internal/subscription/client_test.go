package subscription

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var update = flag.Bool("update", false, "write sdk/testdata/closes.json")

const closesFile = "../../sdk/testdata/closes.json"

// row is what a client does for one end.
type row struct {
	Close  int    `json:"close,omitempty"`  // the code of a close frame, or
	Error  string `json:"error,omitempty"`  // the code of an error
	Reason string `json:"reason,omitempty"` // of the close frame; empty: any that has no row
	// JoinStatus is the member join_status of the error; empty: any that has no row.
	JoinStatus string `json:"join_status,omitempty"`
	Action     string `json:"action"`
	Code       string `json:"code,omitempty"` // of the error of a client that stops
}

// closes returns the content of the file for the SDKs.
func closes() any {
	var file struct {
		Comment    []string `json:"comment"`
		Closes     []row    `json:"closes"`      // close frames of a WebSocket
		StreamEnds []row    `json:"stream_ends"` // errors of a stream that had begun, before refusals
		Refusals   []row    `json:"refusals"`    // errors of the calls that open, and of streams
	}
	file.Comment = []string{
		"What a client does when a subscription ends or is refused (B2B-SDK-020). The first row that",
		"fits counts; an error that ends an open stream is looked up in stream_ends, then in refusals.",
		"Without a row: backoff for a close code, for no response and for a status of 5xx; stop, with",
		"the error itself, for another status. The event resume of SSE means reconnect, or backoff if",
		"its error has retry_after. A retry_after is the pause, made longer at random by up to a fifth.",
		"Made by: go test ./internal/subscription -run TestClosesFile -update",
	}
	actionRow := func(r row, a action) row {
		r.Action = a.name
		if a.code != 0 {
			r.Code = call.CodeText(a.code)
		}
		return r
	}
	for _, e := range ends[1:] {
		switch {
		case e.when == "":
		case e.shown != "": // the reason is the code of the error
			for _, code := range e.stream {
				file.Closes = append(file.Closes, actionRow(row{Close: e.code, Reason: call.CodeText(code)}, e.client))
			}
			const malformed = b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR
			file.Closes = append(file.Closes, actionRow(row{Close: e.code, Reason: call.CodeText(malformed)}, stop(malformed)))
		case e.text != "":
			file.Closes = append(file.Closes, actionRow(row{Close: e.code, Reason: e.text}, e.client))
		}
	}
	for _, c := range unknownCloses {
		file.Closes = append(file.Closes, actionRow(row{Close: c.code}, c.client))
	}
	const inactive = b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE
	file.Refusals = append(file.Refusals, actionRow(row{Error: call.CodeText(inactive), JoinStatus: store.BotPending}, wait))
	for _, code := range slices.Sorted(maps.Keys(refusals)) {
		file.Refusals = append(file.Refusals, actionRow(row{Error: call.CodeText(code)}, refusals[code]))
	}
	// An open stream ends with FORBIDDEN for several reasons. Opening it again shows which.
	file.StreamEnds = append(file.StreamEnds, actionRow(row{Error: call.CodeText(lostAccess[0])}, backOff))
	return file
}

// TestClosesFile: the file of the SDKs is what the tables of this package say.
func TestClosesFile(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(closes()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(closesFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(closesFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the tables of this package say: run this test with -update, and change the tables of the SDKs", closesFile)
	}
}

// TestActions: every end has an action, each code of the server's own has one for unknown reasons,
// and a client that stops has an error.
func TestActions(t *testing.T) {
	t.Parallel()
	names := []string{"reconnect", "backoff", "wait", "resync", "stop"}
	for r := Reason(1); r < reasons; r++ {
		e := ends[r]
		if !slices.Contains(names, e.client.name) || (e.client.name == "stop") != (e.client.code != 0) {
			t.Errorf("reason %d (%d %q) has the action %+v", r, e.code, e.text, e.client)
		}
		unknown := slices.ContainsFunc(unknownCloses, func(c struct {
			code   int
			client action
		}) bool {
			return c.code == e.code
		})
		if unknown != (e.code >= 4000) {
			t.Errorf("the code %d has an action for an unknown reason: %v", e.code, unknown)
		}
	}
}
