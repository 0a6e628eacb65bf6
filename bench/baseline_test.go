package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/bench/internal/table"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// startedBaseline runs the baseline in this process until the test ends.
func startedBaseline(t *testing.T) (url, folder string) {
	t.Helper()
	folder = t.TempDir()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runBaseline(ctx, folder, addr, "") }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("the baseline ended:", err)
		}
	})
	url = "http://" + addr
	waittest.Until(t, "the baseline is healthy", func() bool {
		res, err := http.Get(url + "/health")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return url, folder
}

// TestBaseline: the baseline has every load that the table compares with it.
func TestBaseline(t *testing.T) {
	t.Parallel()
	url, folder := startedBaseline(t)
	floor := &fixture{url: url, token: "none", thread: "thread", peer: "peer"}
	if err := floor.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := options{clients: 2, rounds: 3, time: 200 * time.Millisecond}
	var contests []contest
	for name, r := range map[string]runner{
		"send":   o.repeated(floor.post()),
		"post":   o.repeated(floor.postToThread()),
		"read":   o.repeated(floor.read()),
		"thread": o.repeated(floor.get("/api/threads/thread")),
		"count":  o.repeated(floor.get("/api/me/catchup/count?since=1")),
		"bytes":  o.repeated(floor.get("/bytes/1000")),
		"socket": o.socketSends(url, "/sends", nil, "peer"),
	} {
		contests = append(contests, contest{name, r, r})
	}
	out := &report{out: io.Discard}
	if err := out.measure(t.Context(), o, contests); err != nil {
		t.Fatal(err)
	}
	if len(out.results.Rows) != len(contests) {
		t.Errorf("%d rows of %d loads", len(out.results.Rows), len(contests))
	}
	for _, row := range out.results.Rows {
		if len(row.Ours) != 3 || len(row.Floor) != 3 || table.Median(row.Ours) <= 0 {
			t.Errorf("%s: rounds %v and %v, want three of each", row.Name, row.Ours, row.Floor)
		}
	}
	if size, err := sizeOf(t.Context(), floor.get("/bytes/1000")); size != 1000 || err != nil {
		t.Errorf("1000 bytes: %d, %v", size, err)
	}
	if err := once(t.Context(), http.DefaultClient, floor.get("/bytes/none")); err == nil {
		t.Error("control: a bad request does not end a load")
	}
	bytes, err := databaseBytes(t.Context(), filepath.Join(folder, "baseline.db"))
	if err != nil || bytes < messages*content {
		t.Errorf("the database has %d bytes, %v", bytes, err)
	}
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	url, _ := startedBaseline(t)
	const sends = 3*window + 1
	for _, c := range []struct {
		name, frame string
		ok          bool
	}{
		{"acknowledged", `{"type":"send_dm","ref":1,"content":"%d"}`, true},
		{"not JSON, for which the baseline closes the connection", `{%d`, false},
	} {
		conn, _, err := websocket.Dial(t.Context(), url+"/sends", nil)
		if err != nil {
			t.Fatal(err)
		}
		err = pipeline(t.Context(), conn, sends, func(i int) []byte { return fmt.Appendf(nil, c.frame, i) })
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		_ = conn.CloseNow() // may be closed already
	}
}

func TestValueOf(t *testing.T) {
	t.Parallel()
	const text = "processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: second\n\nMemTotal:       1234 kB\n"
	for key, want := range map[string]string{"model name": "A: fast one", "MemTotal": "1234 kB", "missing": ""} {
		if got := valueOf(text, key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if _, err := os.Stat("/proc/cpuinfo"); err == nil && machine().MemoryGB <= 0 {
		t.Errorf("the facts of this machine lack its memory: %+v", machine())
	}
}
