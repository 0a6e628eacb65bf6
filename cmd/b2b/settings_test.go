package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// command runs the built command in its own folder, with env as its environment.
func command(t *testing.T, env []string, args ...string) (folder, output string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, build(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.Dir, string(out), cmd.ProcessState.ExitCode()
}

// B2B-ENV-003, 004, 005: the effective settings are shown, an invalid one is an error, and nothing
// is opened.
func TestCheckSettings(t *testing.T) {
	t.Parallel()
	good := []string{"B2B_ADMIN_SECRET=9f86d081884c7d659a2feaa0", "DATABASE_URL= \"Postgres://b2b:hunter2@db/b2b\"", "B2B_HOST=[::1]", "B2B_TRUST_PROXY=10.0.0.0/8"}
	folder, out, status := command(t, good, "serve", "--check", "--port", "4801")
	for _, want := range []string{
		"B2B_HOST                     ::1\n", "B2B_PORT                     4801\n",
		" " + folder + "/data\n", " " + folder + "/data/b2b-files\n", "B2B_ADMIN_SECRET             ***\n",
		" 65536 UTF-16 units\n", " 50 MiB for one file\n", " 500 MiB a day for each org\n", " 10000 versions\n", " 64 MiB for each thread\n",
		" 256 MiB a day for each org\n", " 4096 MiB for each org\n", " 16 connections\n", " postgres://b2b:***@db/b2b\n", " 10.0.0.0/8\n",
		"The settings can be used.\n",
	} {
		if status != 0 || !strings.Contains(out, want) || strings.Contains(out, "warning") {
			t.Errorf("status %d, no %q in:\n%s", status, want, out)
		}
	}
	if made, err := os.ReadDir(folder); err != nil || len(made) != 0 {
		t.Errorf("--check made %v (%v)", made, err)
	}
	bad := []string{"B2B_ADMIN_SECRET=my-admin-secret", "B2B_PORT=abc", "DATABASE_URL=mysql://b2b:hunter2@db/b2b", "B2B_TRUST_PROXY=-1", "B2B_CORS_ORIGINS=app.example"}
	for _, args := range [][]string{{"serve", "--check"}, {"serve"}, {"import", "--from", "nowhere"}} {
		folder, out, status := command(t, bad, args...)
		for _, want := range []string{"4 settings cannot be used:\n", `  B2B_PORT="abc"`, `  DATABASE_URL="mysql://b2b:***@db/b2b"`, `  B2B_TRUST_PROXY="-1"`, `  B2B_CORS_ORIGINS="app.example"`} {
			if status != 1 || !strings.Contains(out, want) || strings.Contains(out, "hunter2") {
				t.Errorf("%v: status %d, no %q in:\n%s", args, status, want, out)
			}
		}
		if made, err := os.ReadDir(folder); err != nil || len(made) != 0 {
			t.Errorf("%v made %v (%v)", args, made, err)
		}
	}
	if _, out, status := command(t, []string{"B2B_DATABASE_URL=postgres://b2b:hunter2@db/b2b"}, "serve", "--help"); status != 0 || strings.Contains(out, "hunter2") {
		t.Errorf("--help has status %d and shows:\n%s", status, out)
	}
}

// B2B-ENV-002, 004, B2B-AUTH-083: what is logged at the start.
func TestStartIsLogged(t *testing.T) {
	t.Parallel()
	lines := func(n *node, level string) (out []map[string]any) {
		s := bufio.NewScanner(strings.NewReader(n.logs.String()))
		for s.Scan() {
			var line map[string]any
			if err := json.Unmarshal(s.Bytes(), &line); err != nil {
				t.Fatalf("%v: %s", err, s.Text())
			}
			if line["level"] == level {
				out = append(out, line)
			}
		}
		return out
	}
	data := t.TempDir()
	strong := serve(t, data, "B2B_ADMIN_SECRET=9f86d081884c7d659a2feaa0")
	start := lines(strong, "INFO")[0]
	if start["msg"] != "starting" || start["listen"] != "127.0.0.1:0" ||
		start["database"] != "SQLite "+filepath.Join(data, "b2b.db") || start["trusted_proxies"] != "0" {
		t.Errorf("the start is logged as %v", start)
	}
	if w := lines(strong, "WARN"); len(w) != 0 {
		t.Errorf("warnings without a reason: %v", w)
	}
	if err := strong.stop(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // each time
		n := serve(t, data, "B2B_ADMIN_SECRET=secret")
		w := lines(n, "WARN")
		if len(w) != 1 || !strings.Contains(w[0]["msg"].(string), "the admin secret has fewer than 16 characters") || !strings.Contains(w[0]["msg"].(string), "openssl rand -hex 32") {
			t.Errorf("a weak admin secret is logged as %v", w)
		}
		if err := n.stop(); err != nil {
			t.Fatal(err)
		}
	}
	dev := serve(t, t.TempDir(), "B2B_HOST=", "B2B_DEV_MODE=true", "B2B_ADMIN_SECRET=")
	if got := lines(dev, "INFO")[0]["listen"].(string); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("development listens on %s", got)
	}
	if w := lines(dev, "WARN"); len(w) != 1 || !strings.Contains(w[0]["msg"].(string), "anyone who reaches 127.0.0.1:") {
		t.Errorf("development without a secret is logged as %v", w)
	}
}
