package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestKillLosesNothingAcknowledged kills the server with SIGKILL several times while clients post,
// and then looks for every acknowledged message.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			killUnderLoad(t, backend.env(t))
		})
	}
}

func killUnderLoad(t *testing.T, env []string) {
	data := t.TempDir()
	n := serve(t, data, env...)
	_, bots := n.team("writer", "reader")
	thread := bots["writer"].must("POST", "/api/threads", map[string]any{"topic": "crash", "participants": []string{"reader"}})
	path := "/api/threads/" + thread["id"].(string) + "/messages"
	token, readerToken := bots["writer"].token, bots["reader"].token

	const clients, runs, load = 8, 3, 100   // load is how many are acknowledged before a kill
	acknowledged := make(map[string]string) // content by message id
	for run := range runs {
		var mu sync.Mutex
		var wg sync.WaitGroup
		before, loaded := len(acknowledged), make(chan struct{})
		for c := range clients {
			wg.Go(func() {
				poster := &client{t: t, url: n.URL, token: token}
				for i := 0; ; i++ {
					content := fmt.Sprintf("%d-%d-%d", run, c, i)
					status, answer, _ := poster.try("POST", path, map[string]any{"content": content})
					if status != http.StatusOK {
						return
					}
					mu.Lock()
					acknowledged[answer["id"].(string)] = content
					if len(acknowledged) == before+load {
						close(loaded)
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-loaded:
		case <-time.After(waittest.Most):
			t.Error("too little was acknowledged")
		}
		n.kill()
		wg.Wait()
		n = serve(t, data, env...)
	}

	found := make(map[string]string)
	reader := &client{t: t, url: n.URL, token: readerToken}
	for cursor := ""; ; {
		page := reader.must("GET", path+"?limit=200&cursor="+cursor, nil)
		for _, item := range page["items"].([]any) {
			m := item.(map[string]any)
			if _, twice := found[m["id"].(string)]; twice {
				t.Errorf("message %v is listed twice", m["id"])
			}
			found[m["id"].(string)] = m["content"].(string)
		}
		if page["has_more"] != true {
			break
		}
		cursor = page["next_cursor"].(string)
	}
	lost := 0
	for id, content := range acknowledged {
		if found[id] != content {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged messages are lost", lost, len(acknowledged))
	}
	t.Logf("%d acknowledged, %d kept, %d kills", len(acknowledged), len(found), runs)
}
