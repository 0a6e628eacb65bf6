package a2apeer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// events reads events of a stream, one a line.
func events(t testing.TB, lines string) (all []a2a.Event) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var r a2a.StreamResponse
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, r.Event)
	}
	return all
}

const (
	submitted = `{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}}` + "\n"
	working   = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING","message":{"messageId":"1","role":"ROLE_AGENT","parts":[{"text":"Mixing."}]}}}}` + "\n"
	completed = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED","message":{"messageId":"2","role":"ROLE_AGENT","parts":[{"text":"Painted."}]}}}}` + "\n"
	bare      = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"}}}` + "\n"
)

func chunk(id, text string, more string) string {
	return fmt.Sprintf(`{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":%q,"parts":[{"text":%q}]}%s}}`, id, text, more) + "\n"
}

func TestTurns(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		lines     string
		settled   bool
		said      string
		progress  string
		artifacts string // id=text, in order
		done      int
	}{
		"a task":             {lines: submitted + working + completed, settled: true, said: "Painted.", progress: "Mixing."},
		"it works":           {lines: submitted + working, said: "Mixing.", progress: "Mixing."},
		"a message":          {lines: `{"message":{"messageId":"m","contextId":"c","role":"ROLE_AGENT","parts":[{"text":"Hi"},{"text":"there"}]}}`, settled: true, said: "Hi\n\nthere"},
		"a message beside":   {lines: submitted + `{"message":{"messageId":"m","taskId":"t","role":"ROLE_AGENT","parts":[{"text":"Soon."}]}}` + "\n" + completed, settled: true, said: "Soon.\n\nPainted."},
		"chunks":             {lines: submitted + chunk("a", "one ", "") + chunk("a", "two", `,"append":true,"lastChunk":true`) + bare, settled: true, artifacts: "a=one two", done: 1},
		"chunks of two":      {lines: submitted + chunk("a", "1", "") + chunk("b", "2", "") + chunk("a", "3", `,"append":true`) + bare, settled: true, artifacts: "a=13 b=2"},
		"an artifact anew":   {lines: submitted + chunk("a", "1", "") + chunk("a", "2", "") + bare, settled: true, artifacts: "a=2"},
		"chunk of none":      {lines: submitted + chunk("a", "1", `,"append":true`) + bare, settled: true, artifacts: "a=1"},
		"snapshot of chunks": {lines: `{"task":{"id":"t","contextId":"c","artifacts":[null,{"artifactId":"a","parts":[{"text":"1"},null,{"text":"2"}]}],"status":{"state":"TASK_STATE_FAILED"}}}`, settled: true, artifacts: "a=12"},
		"of another task":    {lines: submitted + strings.ReplaceAll(completed, `"t"`, `"u"`)},
		"from the history": {lines: `{"task":{"id":"t","contextId":"c","history":[{"messageId":"ours","role":"ROLE_USER","parts":[]},null,{"messageId":"x","role":"ROLE_AGENT","parts":[{"text":"Result."}]}],"status":{"state":"TASK_STATE_COMPLETED"}}}`,
			settled: true, said: "Result."},
		"an old history": {lines: `{"task":{"id":"t","contextId":"c","history":[{"messageId":"x","role":"ROLE_AGENT","parts":[{"text":"Old."}]},{"messageId":"ours","role":"ROLE_USER","parts":[]}],"status":{"state":"TASK_STATE_COMPLETED"}}}`,
			settled: true},
		"a question":      {lines: submitted + strings.ReplaceAll(completed, "COMPLETED", "INPUT_REQUIRED"), settled: true, said: "Painted."},
		"without content": {lines: submitted + `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_REJECTED","message":{"messageId":"2","role":"ROLE_AGENT","parts":null}}}}`, settled: true},
	} {
		var tn turn
		progress, done := "", 0
		for _, e := range events(t, k.lines) {
			n, err := tn.apply(e)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n.progress != "" {
				progress = n.progress
			}
			if n.done != nil {
				done++
			}
		}
		last, err := tn.last("ours")
		if err != nil {
			t.Fatal(err)
		}
		var artifacts []string
		for _, a := range tn.artifacts {
			artifacts = append(artifacts, a.id+"="+text(a.pieces))
		}
		if tn.settled() != k.settled || text(last) != k.said || progress != k.progress || strings.Join(artifacts, " ") != k.artifacts || done != k.done {
			t.Errorf("%s: settled %v, said %q, progress %q, artifacts %q, %d complete", name, tn.settled(), text(last), progress, artifacts, done)
		}
	}
}

// TestTurnThatGoesOn: a task that waited is not settled as long as it is as it was before our message.
func TestTurnThatGoesOn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	status := func(at *time.Time, id string) *a2a.Task {
		task := &a2a.Task{ID: "t", Status: a2a.TaskStatus{State: a2a.TaskStateInputRequired, Timestamp: at}}
		if id != "" {
			task.Status.Message = &a2a.Message{ID: id, Parts: a2a.ContentParts{a2a.NewTextPart(id)}}
		}
		return task
	}
	later := now.Add(time.Second)
	for name, k := range map[string]struct {
		before, after *a2a.Task
		settled       bool
	}{
		"as before":                {status(&now, "q"), status(&now, "q"), false},
		"without its message":      {status(&now, "q"), status(&now, ""), false},
		"without a time":           {status(nil, "q"), status(nil, "q"), false},
		"without both":             {status(nil, "q"), status(nil, ""), false},
		"the same, later":          {status(&now, "q"), status(&later, "q"), true},
		"another without a time":   {status(nil, "q"), status(nil, "r"), true},
		"a new task":               {nil, status(&now, "q"), true},
		"a new task without words": {nil, status(nil, ""), true},
	} {
		var before, after turn
		if k.before != nil {
			if _, err := before.apply(k.before); err != nil {
				t.Fatal(err)
			}
		}
		after.stale = before.sign
		if _, err := after.apply(k.after); err != nil {
			t.Fatal(err)
		}
		if after.settled() != k.settled {
			t.Errorf("%s: settled %v", name, after.settled())
		}
		for range staleLooks { // but it may never look otherwise
			after.looked()
		}
		if !after.settled() {
			t.Errorf("%s: it is waited for without end", name)
		}
	}
}

func TestTurnLimits(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 9<<20)
	task := a2a.TaskInfo{TaskID: "t"}
	many := func(n int, event func(int) a2a.Event) (all []a2a.Event) {
		for i := range n {
			all = append(all, event(i))
		}
		return all
	}
	chunk := func(id string, add bool, part *a2a.Part) a2a.Event {
		e := a2a.NewArtifactUpdateEvent(task, a2a.ArtifactID(id), part)
		e.Append = add
		return e
	}
	other := func(i int) a2a.Event { return chunk(fmt.Sprint("a", i), false, a2a.NewTextPart("x")) }
	file := func(int) a2a.Event { return chunk("a", true, a2a.NewRawPart([]byte("x"))) }
	said := func(int) a2a.Event { return &a2a.Message{TaskID: "t"} }
	bigChunk := func(int) a2a.Event { return chunk("a", true, a2a.NewTextPart(big)) }
	for name, k := range map[string]struct {
		events []a2a.Event
		fine   bool
	}{
		"artifacts":          {many(mostArtifacts, other), true},
		"too many artifacts": {many(mostArtifacts+1, other), false},
		"parts":              {many(mostPieces, file), true},
		"too many parts":     {many(mostPieces+1, file), false},
		"chunks of a text":   {many(mostPieces+1, func(int) a2a.Event { return chunk("a", true, a2a.NewTextPart("x")) }), true},
		"bytes":              {many(3, bigChunk), true},
		"too many bytes":     {many(4, bigChunk), false},
		"of several":         {many(4, func(i int) a2a.Event { return chunk(fmt.Sprint("a", i), false, a2a.NewTextPart(big)) }), false},
		"anew":               {many(4, func(int) a2a.Event { return chunk("a", false, a2a.NewTextPart(big)) }), true},
		"a long message":     {[]a2a.Event{&a2a.Message{Parts: a2a.ContentParts{a2a.NewTextPart(big)}}}, false},
		"messages":           {many(mostSaid, said), true},
		"many messages":      {many(mostSaid+1, said), false},
	} {
		var tn turn
		var failed error
		for _, e := range k.events {
			if _, failed = tn.apply(e); failed != nil {
				break
			}
		}
		if (failed == nil) != k.fine || failed != nil && !errors.Is(failed, errTooMuch) {
			t.Errorf("%s: %v", name, failed)
		}
	}
	for name, line := range map[string]string{
		"no id of a task":   `{"statusUpdate":{"status":{"state":"TASK_STATE_WORKING"}}}`,
		"a long id":         strings.ReplaceAll(completed, `"t"`, `"`+strings.Repeat("t", mostID+1)+`"`),
		"a long state":      strings.ReplaceAll(completed, "COMPLETED", strings.Repeat("X", 100)),
		"no artifact":       `{"artifactUpdate":{"taskId":"t","contextId":"c"}}`,
		"an artifact of no": `{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"parts":[]}}}`,
	} {
		var tn turn
		if _, err := tn.apply(events(t, line)[0]); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// FuzzTurn: whatever an agent sends, it can be put into words, and the artifacts have keys.
func FuzzTurn(f *testing.F) {
	f.Add(submitted + working + chunk("a", "x", "") + completed)
	f.Add(`{"task":{"id":"t","artifacts":[null],"history":[null],"status":{"message":{"parts":[null,{"data":null}]}}}}`)
	f.Fuzz(func(t *testing.T, lines string) {
		var tn turn
		for line := range strings.Lines(lines) {
			var r a2a.StreamResponse
			if json.Unmarshal([]byte(line), &r) != nil {
				continue
			}
			if _, err := tn.apply(r.Event); err != nil {
				return
			}
		}
		if _, err := tn.last("x"); err != nil {
			return
		}
		for _, a := range tn.artifacts {
			checkOutputs(t, a)
		}
	})
}
