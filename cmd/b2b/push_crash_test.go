package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestKillInMidPush kills a server with SIGKILL while it posts tasks of A2A to their client. A restarted
// server on SQLite, or another node on PostgreSQL, posts them (B2B-A2A-019). The database has no secret
// of the push configs.
func TestKillInMidPush(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			env := append(backend.env(t), "B2B_WEBHOOK_ALLOW=127.0.0.1")
			r, data := newPushReceiver(t), t.TempDir()
			first := serve(t, data, env...)
			var second *node
			if backend.name != "sqlite" {
				second = serve(t, data, env...)
			}
			_, bots := first.team("worker", "guest")
			worker, guest := bots["worker"], bots["guest"]
			guest.a2a = true
			agent := worker.must("PATCH", "/api/me/profile", map[string]any{"protocols": map[string]any{"a2a": true}})["id"]
			var tasks []string
			for i := range 4 {
				sent := guest.must("POST", fmt.Sprintf("/a2a/%s/message:send", agent), map[string]any{
					"message": map[string]any{"messageId": fmt.Sprint("m", i), "role": "ROLE_USER", "parts": []any{map[string]any{"text": "hello"}}},
					"configuration": map[string]any{"returnImmediately": true, "taskPushNotificationConfig": map[string]any{
						"url": r.URL + "/path-of-the-push", "token": "token-of-the-push",
						"authentication": map[string]any{"scheme": "Bearer", "credentials": "credentials-of-the-push"},
					}},
				})
				tasks = append(tasks, sent["task"].(map[string]any)["id"].(string))
			}
			r.hang()
			for _, id := range tasks {
				worker.must("POST", "/api/threads/"+id+"/messages", map[string]any{"content": "which one?"})
			}
			waittest.Until(t, "all attempts hang", func() bool { return r.count() == len(tasks) })
			first.kill()
			waittest.Until(t, "the attempts of the killed server break", func() bool { return r.count() < len(tasks) })
			r.release()
			if second == nil {
				searchFor(t, data, "path-of-the-push", "token-of-the-push", "credentials-of-the-push")
				second = serve(t, data, env...)
			}
			worker.url = second.URL
			waittest.Until(t, "all answers are posted", func() bool { return r.all(tasks, "TASK_STATE_INPUT_REQUIRED") })
			for _, id := range tasks {
				worker.must("PATCH", "/api/threads/"+id, map[string]any{"status": "resolved"})
			}
			waittest.Until(t, "all ends are posted", func() bool { return r.all(tasks, "TASK_STATE_COMPLETED") })
		})
	}
}

// searchFor fails if a file in a folder has one of the secrets.
func searchFor(t *testing.T, folder string, secrets ...string) {
	t.Helper()
	searched := 0
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		searched += len(text)
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has %q", path, secret)
			}
		}
		return err
	})
	if err != nil || searched == 0 {
		t.Errorf("%d bytes were searched: %v", searched, err)
	}
}

// pushReceiver gets the tasks that are posted to a client.
type pushReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	states  map[string]string // by task, of the requests that got a response
	hung    chan struct{}     // nil: it responds at once
	hanging int               // requests without a response
}

func newPushReceiver(t *testing.T) *pushReceiver {
	r := &pushReceiver{states: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var got struct {
			Task struct {
				ID     string
				Status struct{ State string }
			}
		}
		if err := json.NewDecoder(req.Body).Decode(&got); err != nil {
			return // the server was killed
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if hung := r.hung; hung != nil {
			r.hanging++
			r.mu.Unlock()
			select {
			case <-hung:
			case <-req.Context().Done():
			}
			r.mu.Lock()
			r.hanging--
		}
		if req.Context().Err() == nil {
			r.states[got.Task.ID] = got.Task.Status.State
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// hang makes requests get no response until release.
func (r *pushReceiver) hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung = make(chan struct{})
}

func (r *pushReceiver) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.hung)
	r.hung = nil
}

// count returns how many requests hang.
func (r *pushReceiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hanging
}

// all reports whether the newest state of each task is as given.
func (r *pushReceiver) all(tasks []string, state string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range tasks {
		if r.states[id] != state {
			return false
		}
	}
	return true
}
