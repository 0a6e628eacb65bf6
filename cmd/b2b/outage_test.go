package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestDatabaseRestart restarts PostgreSQL several times while clients post: it kills one of its
// processes, after which PostgreSQL closes all connections and recovers. Clients get 503 and a
// retry delay (B2B-ERR-003), and send again with the same request_id. In the end every acknowledged
// message is stored once.
func TestDatabaseRestart(t *testing.T) {
	t.Parallel()
	database := pgtest.DurableURL(t)
	n := serve(t, t.TempDir(), "B2B_DATABASE_URL="+database)
	_, bots := n.team("writer", "reader")
	thread := bots["writer"].must("POST", "/api/threads", map[string]any{"topic": "restart", "participants": []string{"reader"}})
	path := "/api/threads/" + thread["id"].(string) + "/messages"

	const clients, restarts = 8, 2
	var mu sync.Mutex
	acknowledged := map[string]string{} // content by message id
	refused := map[string]int{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			poster := &client{t: t, url: n.URL, token: bots["writer"].token}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				content := fmt.Sprintf("%d-%d", c, i)
				posted := waittest.Within(time.Minute, func() bool {
					status, answer, header := poster.try("POST", path, map[string]any{"content": content, "request_id": content})
					mu.Lock()
					defer mu.Unlock()
					if status == http.StatusOK {
						acknowledged[answer["id"].(string)] = content
						return true
					}
					refused[fmt.Sprint(status, " ", answer["code"])]++
					after, err := strconv.Atoi(header.Get("Retry-After"))
					if status != http.StatusServiceUnavailable || answer["code"] != "UNAVAILABLE" || err != nil || after < 1 || answer["hint"] == nil {
						t.Errorf("while the database restarts: %d %v, Retry-After %q", status, answer, header.Get("Retry-After"))
					}
					return false
				})
				if !posted {
					t.Errorf("%s is refused for a minute", content)
					return
				}
			}
		})
	}
	total := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	for range restarts {
		posts := func() {
			t.Helper()
			before := total()
			if !waittest.Within(time.Minute, func() bool { return total() >= before+5*clients }) {
				t.Fatalf("the server does not serve\n%s", n.logs)
			}
		}
		posts()
		crashed := time.Now()
		crashDatabase(t, database)
		posts()
		t.Logf("posts go on %v after the crash", time.Since(crashed).Round(time.Millisecond))
	}
	close(stop)
	wg.Wait()
	if !n.healthy(t.Context()) {
		t.Error("the server is not healthy afterwards")
	}

	found := map[string]string{}
	contents := map[string]int{}
	reader := &client{t: t, url: n.URL, token: bots["reader"].token}
	for cursor := ""; ; {
		page := reader.must("GET", path+"?limit=200&cursor="+cursor, nil)
		for _, item := range page["items"].([]any) {
			m := item.(map[string]any)
			found[m["id"].(string)] = m["content"].(string)
			contents[m["content"].(string)]++
		}
		if page["has_more"] != true {
			break
		}
		cursor = page["next_cursor"].(string)
	}
	for id, content := range acknowledged {
		if found[id] != content {
			t.Errorf("%s was acknowledged and is lost", content)
		}
	}
	for content, times := range contents {
		if times > 1 {
			t.Errorf("%s is there %d times", content, times)
		}
	}
	t.Logf("%d acknowledged, %d kept, %d restarts, refused: %v", len(acknowledged), len(found), restarts, refused)
}

// TestReadOnlyDatabase makes the database read-only for a while, like a demoted primary. Writes get
// 503 and reads work, health reports it, and the first write afterwards succeeds (B2B-ERR-005).
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	n := serve(t, t.TempDir(), "B2B_DATABASE_URL="+database)
	_, bots := n.team("writer", "reader")
	send := func() (int, map[string]any, http.Header) {
		return bots["writer"].try("POST", "/api/send", map[string]any{"to": "reader", "content": "hello"})
	}
	admin, err := pgconn.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	run := func(text string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), text).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	run("SET default_transaction_read_only = off")
	set := func(value string) {
		run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = " + value + "', current_database()); END $$")
	}
	set("on")
	run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	for range 3 {
		status, answer, header := send()
		if status != http.StatusServiceUnavailable || answer["code"] != "UNAVAILABLE" || answer["hint"] == nil || header.Get("Retry-After") == "" {
			t.Errorf("a write: %d %v", status, answer)
		}
	}
	if n.healthy(t.Context()) {
		t.Error("health is fine while nothing can be written")
	}
	if status, answer, _ := bots["reader"].try("GET", "/api/peers", nil); status != http.StatusOK {
		t.Errorf("a read: %d %v", status, answer)
	}
	set("off")
	if status, answer, _ := send(); status != http.StatusOK {
		t.Errorf("the first write afterwards: %d %v", status, answer)
	}
	if !n.healthy(t.Context()) {
		t.Error("health is not fine afterwards")
	}
}

// crashDatabase makes a process of the database kill itself, as the kernel does when memory runs
// out. The database closes all connections and recovers.
func crashDatabase(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*waittest.Most)
	defer cancel()
	waittest.Until(t, "the database can be reached, to crash it", func() bool {
		c, err := pgconn.Connect(ctx, url)
		if err != nil {
			return false
		}
		_, err = c.Exec(ctx, "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'kill -9 $PPID'").ReadAll()
		if closed := c.Close(ctx); err == nil {
			t.Fatalf("the database survived (close: %v)", closed)
		}
		return true
	})
}
