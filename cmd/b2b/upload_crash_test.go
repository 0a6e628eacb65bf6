package main

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestKillInMidUpload kills a server with SIGKILL during uploads, some of which are stalled.
// Acknowledged files are complete; others can be sent again; partial files exist only in the
// staging folder; only acknowledged files count against the quota; two hours later nothing else is
// left (B2B-FILE-001, 007, 009).
func TestKillInMidUpload(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			killInMidUpload(t, backend.env(t))
		})
	}
}

func killInMidUpload(t *testing.T, env []string) {
	const (
		size, halves, uploaders, each = 64 << 10, 3, 4, 20
		quota                         = 8 << 20
	)
	data := t.TempDir()
	n := serve(t, data, env...)
	_, bots := n.team("writer")
	writer := bots["writer"]
	writer.quota(quota >> 20)
	for range halves {
		writer.halfUpload(1 << 20)
	}
	waittest.Until(t, "half uploads are on the disk", func() bool {
		_, staged := filesIn(t, data)
		large := 0
		for _, size := range staged {
			if size >= 256<<10 {
				large++
			}
		}
		return large == halves
	})

	var mu sync.Mutex
	sent := map[string][]byte{}                   // by request id
	acknowledged := map[string]string{}           // url by request id
	enough := make(chan struct{}, uploaders*each) // one for each that was acknowledged
	var wg sync.WaitGroup
	for u := range uploaders {
		wg.Go(func() {
			for i := range each {
				id, b := fmt.Sprintf("%d-%d", u, i), someBytes(size)
				mu.Lock()
				sent[id] = b
				mu.Unlock()
				status, answer, _ := writer.upload(id, b, id)
				if status != http.StatusOK {
					return
				}
				mu.Lock()
				acknowledged[id] = answer["url"].(string)
				mu.Unlock()
				enough <- struct{}{}
			}
		})
	}
	for range 2 * uploaders {
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Fatalf("uploads are not answered\n%s", n.logs)
		}
	}
	n.kill()
	wg.Wait()

	known := map[[sha256.Size]byte]bool{}
	for _, b := range sent {
		known[sha256.Sum256(b)] = true
	}
	whole, staged := filesIn(t, data)
	for path, sum := range whole {
		if !known[sum] {
			t.Errorf("%s is no file that was uploaded", path)
		}
	}
	if len(staged) < halves {
		t.Errorf("%d uploads wait, there were %d at least", len(staged), halves)
	}

	n = serve(t, data, env...)
	writer.url = n.URL
	before := len(acknowledged)
	for id, url := range acknowledged {
		writer.has(url, sent[id])
	}
	for id, b := range sent {
		status, answer, _ := writer.upload(id, b, id)
		if status != http.StatusOK {
			t.Fatalf("%s again: %d %v", id, status, answer)
		}
		url := answer["url"].(string)
		if was, done := acknowledged[id]; done && was != url {
			t.Errorf("%s was %s, and is %s when sent again", id, was, url)
		}
		acknowledged[id] = url
	}
	used := len(acknowledged) * size
	writer.spent(used, quota)
	t.Logf("%d files acknowledged before the kill, %d sent again, %d half", before, len(sent)-before, len(staged))

	orphan := plantOrphan(t, data)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	twoHoursLater(t, data, env)
	n = serve(t, data, env...)
	writer.url = n.URL
	waittest.Until(t, "the files that belong to nothing are swept", func() bool {
		whole, staged := filesIn(t, data)
		_, there := whole[orphan]
		return len(staged) == 0 && !there && len(whole) == len(sent)+1 // and the rest of the quota
	})
	for id, url := range acknowledged {
		writer.has(url, sent[id])
	}
	if containsError(n.logs.String()) {
		t.Errorf("errors in the log:\n%s", n.logs)
	}
}

// plantOrphan leaves a file without a record, as a crash between the two steps does.
func plantOrphan(t *testing.T, data string) string {
	t.Helper()
	whole, _ := filesIn(t, data)
	for path := range whole {
		id := uuid.NewString()
		orphan := filepath.Join(filepath.Dir(filepath.Dir(path)), id[len(id)-2:], id)
		if err := errors.Join(os.MkdirAll(filepath.Dir(orphan), 0o700), os.WriteFile(orphan, []byte("orphan"), 0o600)); err != nil {
			t.Fatal(err)
		}
		return orphan
	}
	t.Fatal("there are no files")
	return ""
}

// twoHoursLater ages the files of a stopped server, and the time of its last sweep.
func twoHoursLater(t *testing.T, data string, env []string) {
	t.Helper()
	then := time.Now().Add(-2 * time.Hour)
	err := filepath.Walk(filepath.Join(data, "b2b-files"), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
	driver, source := "sqlite", filepath.Join(data, "b2b.db")
	for _, setting := range env {
		if url, ok := strings.CutPrefix(setting, "B2B_DATABASE_URL="); ok {
			driver, source = "pgx", url
		}
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("UPDATE upkeep_jobs SET done_at = 0, holder = '' WHERE name = 'sweep'")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
