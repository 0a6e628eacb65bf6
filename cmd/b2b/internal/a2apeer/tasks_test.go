package a2apeer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

func TestEntries(t *testing.T) {
	t.Parallel()
	var e entry
	e.begin("one", true)
	first := e.messageID()
	e.Sent, e.Got, e.Task, e.State = true, true, "t", a2a.TaskStateWorking
	for name, k := range map[string]struct {
		subject string
		first   bool
		state   a2a.TaskState
		same    bool // the id of the message
		known   bool // its task
	}{
		"another attempt":              {"one", false, a2a.TaskStateWorking, true, true},
		"an attempt that did not end":  {"one", true, a2a.TaskStateWorking, true, true},
		"after a failure that crashed": {"one", false, a2a.TaskStateFailed, true, true},
		"handed out anew":              {"one", true, a2a.TaskStateFailed, false, false},
		"answered already":             {"one", true, a2a.TaskStateCompleted, true, true},
		"the next message":             {"two", true, a2a.TaskStateWorking, false, false},
	} {
		e := e
		e.State = k.state
		e.begin(k.subject, k.first)
		if (e.messageID() == first) != k.same || e.Got != k.known || e.Task != "t" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestTasksFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "tasks.json")
	open := func() *Tasks {
		tasks, err := OpenTasks(path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return tasks
	}
	tasks := open()
	if err := tasks.keep("thread", entry{Task: "t", Written: map[string]string{"k": "h"}}); err != nil {
		t.Fatal(err)
	}
	got := open().of("thread")
	if got.Task != "t" || got.Written["k"] != "h" {
		t.Errorf("after a restart: %+v", got)
	}
	got.Written["k"] = "changed"
	if open().of("thread").Written["k"] != "h" || tasks.of("nothing").Task != "" {
		t.Error("an entry is shared")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}
	if err := os.WriteFile(path, []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTasks(path, time.Now); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	tasks, err := OpenTasks(filepath.Join(t.TempDir(), "tasks.json"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	release, err := tasks.hold(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := tasks.hold(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ended, end := context.WithCancelCause(t.Context())
	end(errTooLong)
	if _, err := tasks.hold(ended, "a"); !errors.Is(err, errTooLong) {
		t.Errorf("a thread that is held: %v", err)
	}
	got := make(chan error)
	go func() {
		again, err := tasks.hold(t.Context(), "a")
		if err == nil {
			again()
		}
		got <- err
	}()
	release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}
