package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// oldDatabase unpacks the data folder of an HXA-Connect server.
func oldDatabase(t *testing.T) string {
	t.Helper()
	packed, err := os.Open("../../internal/importer/testdata/hxa-connect-sample.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != "hxa-connect-sample/hxa-connect.db" {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "hxa-connect.db"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runImport runs `b2b import`.
func runImport(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := importCmd(t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

func importCmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(build(t), append([]string{"import"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	return cmd
}

// The old token of the bot "scribe" in the sample.
const oldToken = "bot_a084a2ae6e245ebb3903fc86f6478ddee1da7d428a665562"

func TestImportCommand(t *testing.T) {
	t.Parallel()
	old, data := oldDatabase(t), t.TempDir()
	status, out, stderr := runImport(t, "--from", old, "--data", data, "--dry-run")
	if status != 0 || !strings.Contains(out, "Northwind Lab") || !strings.Contains(stderr, "100 %") {
		t.Fatalf("dry run: %d\n%s%s", status, out, stderr)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("a dry run wrote %v, %v", left, err)
	}
	status, out, stderr = runImport(t, "--from", old, "--data", data, "--json")
	var report importer.Report
	if err := json.Unmarshal([]byte(out), &report); status != 0 || err != nil || len(report.Orgs) != 4 || report.Failed() {
		t.Fatalf("import: %d, %v\n%s%s", status, err, out, stderr)
	}

	n := serve(t, data)
	me := (&client{t: t, url: n.URL, token: oldToken}).must("GET", "/api/me", nil)
	if me["name"] != "scribe" {
		t.Errorf("the old token is that of %v", me["name"])
	}
	for _, dry := range []string{"--dry-run", "--dry-run=false"} {
		status, _, stderr = runImport(t, "--from", old, "--data", data, dry)
		if status != 1 || !strings.Contains(stderr, "is in use by process "+strconv.Itoa(n.cmd.Process.Pid)) {
			t.Errorf("%s beside a running server: %d %s", dry, status, stderr)
		}
	}
	(&client{t: t, url: n.URL, token: oldToken}).must("POST", "/api/send", map[string]any{"to": "conductor", "content": "new here"})
	n.kill()

	for _, dry := range []string{"--dry-run", "--dry-run=false"} {
		status, out, stderr = runImport(t, "--from", old, "--data", data, dry)
		if status != 0 || !strings.Contains(out, "Northwind Lab\": present") {
			t.Errorf("%s again: %d\n%s%s", dry, status, out, stderr)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(old, "hxa-connect.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "UPDATE threads SET revision = revision + 100")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before := contents(t, data)
	status, out, stderr = runImport(t, "--from", old, "--data", data, "--dry-run")
	if status != 2 || !strings.Contains(out, "Northwind Lab\": refused, there is news") || !strings.Contains(out, "Vineyard\": would be replaced") {
		t.Errorf("a dry run with news on both sides: %d\n%s%s", status, out, stderr)
	}
	if after := contents(t, data); !maps.Equal(before, after) {
		t.Errorf("a dry run changed the target from %v to %v", before, after)
	}
	status, out, stderr = runImport(t, "--from", old, "--data", data)
	if status != 2 || !strings.Contains(out, "Northwind Lab\": refused, there is news") || !strings.Contains(out, "Vineyard\": replaced") {
		t.Errorf("with news on both sides: %d\n%s%s", status, out, stderr)
	}
}

// contents are the hashes of the files in a folder.
func contents(t *testing.T, folder string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, name))
		all[name] = sha256.Sum256(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// B2B-IMP-031 on PostgreSQL: a dry run has the same results as the import, and changes nothing.
func TestDryRunOnPostgres(t *testing.T) {
	t.Parallel()
	old, data := oldDatabase(t), t.TempDir()
	to := []string{"--from", old, "--data", data, "--database", pgtest.EmptyURL(t)}
	for _, step := range []struct{ args, want string }{
		{"--dry-run", "Northwind Lab\": would be imported"},
		{"--dry-run", "Northwind Lab\": would be imported"},
		{"--dry-run=false", "Northwind Lab\": imported"},
		{"--dry-run", "Northwind Lab\": present"},
	} {
		if status, out, stderr := runImport(t, append(to, step.args)...); status != 0 || !strings.Contains(out, step.want) {
			t.Errorf("%s: %d\n%s%s", step.args, status, out, stderr)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(old, "hxa-connect.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "UPDATE threads SET revision = revision + 100")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ args, want string }{
		{"--dry-run", "Northwind Lab\": would be replaced"},
		{"--dry-run=false", "Northwind Lab\": replaced"},
		{"--dry-run", "Northwind Lab\": present"},
	} {
		if status, out, stderr := runImport(t, append(to, step.args)...); status != 0 || !strings.Contains(out, step.want) {
			t.Errorf("with news, %s: %d\n%s%s", step.args, status, out, stderr)
		}
	}
}

// A folder without room is refused for what does not fit, and accepted for what does.
func TestRoomIn(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "not", "there")
	if err := roomIn(folder, 1); err != nil {
		t.Errorf("for a byte: %v", err)
	}
	if err := roomIn(folder, 1<<60); err == nil || !strings.Contains(err.Error(), "the import needs 1099511627777 MiB there") {
		t.Errorf("for an exbibyte: %v", err)
	}
}

func TestImportCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		args []string
	}{
		{`required flag(s) "from" not set`, nil},
		{"no such file", []string{"--from", "nowhere.db"}},
		{"the same database", []string{"--from", "postgres://a@localhost/hxa", "--database", "postgresql://b:secret@localhost:5432/hxa"}},
		{"open the old database", []string{"--from", "postgres://a:my-password@local host/%zz"}},
	} {
		status, out, stderr := runImport(t, append(c.args, "--data", t.TempDir())...)
		if status != 1 || !strings.Contains(stderr, c.want) || out != "" {
			t.Errorf("%v: %d %q %q, want %q", c.args, status, out, stderr, c.want)
		}
		if strings.Contains(stderr, "secret") || strings.Contains(stderr, "my-password") {
			t.Errorf("%v: the answer has the password: %q", c.args, stderr)
		}
	}
}

// An import that is killed leaves every org whole or absent, and continues when it is run again.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			old, data := oldDatabase(t), t.TempDir()
			grow(t, filepath.Join(old, "hxa-connect.db"))
			args := []string{"--from", old, "--data", data}
			env := backend.env(t)
			for _, name := range env {
				if url, ok := strings.CutPrefix(name, "B2B_DATABASE_URL="); ok {
					args = append(args, "--database", url)
				}
			}
			killed := 0
			for _, after := range []time.Duration{50, 150, 300, 600} {
				ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
				cmd := importCmd(t, args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				<-ctx.Done()
				cancel()
				if cmd.Process.Kill() == nil {
					killed++
				}
				if err := cmd.Wait(); err == nil {
					break // it was done
				}
			}
			if killed == 0 {
				t.Fatal("none was killed")
			}
			status, out, stderr := runImport(t, append(args, "--json")...)
			var report importer.Report
			if err := json.Unmarshal([]byte(out), &report); status != 0 || err != nil || report.Failed() {
				t.Fatalf("after %d kills: %d, %v\n%s%s", killed, status, err, out, stderr)
			}
			for _, table := range report.Tables {
				if table.Rows != table.Carried+table.Skipped+table.Present {
					t.Errorf("%+v", table)
				}
			}
			n := serve(t, data, env...)
			c := &client{t: t, url: n.URL, token: oldToken}
			stats := c.must("GET", "/api/stats", nil)
			if got := fmt.Sprint(stats["message_count"], stats["org_count"], stats["bot_count"]); got != fmt.Sprint(88+grown, 4, 21) {
				t.Errorf("messages, orgs and bots: %s", got)
			}
		})
	}
}

const grown = 20_000

// grow adds messages to one org.
func grow(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO messages (id, channel_id, sender_id, content, created_at)
		SELECT 'grown-' || i, (SELECT id FROM channels LIMIT 1), 'x', 'text ' || i, 1795000000000 + i FROM n`, grown)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
