package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// B2B-ENV-006: a data folder has one server, by any path to it, and a second one reports the first.
func TestOneServerPerDataFolder(t *testing.T) {
	t.Parallel()
	data, elsewhere := t.TempDir(), t.TempDir()
	n := serve(t, data)
	_, bots := n.team("keeper")
	link, hard := filepath.Join(elsewhere, "link"), filepath.Join(elsewhere, "hard")
	for _, err := range []error{os.Symlink(data, link), os.Mkdir(hard, 0o700), os.Link(filepath.Join(data, "b2b.db"), filepath.Join(hard, "b2b.db"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	old := oldDatabase(t)
	env := []string{"B2B_ADMIN_SECRET=" + adminSecret, "B2B_HOST=127.0.0.1"}
	for _, folder := range []string{data, filepath.Join(data, ".") + "/../" + filepath.Base(data), link, hard} {
		for _, args := range [][]string{
			{"serve", "--port", "0", "--data", folder},
			{"import", "--data", folder, "--from", old},
		} {
			_, out, status := command(t, env, args...)
			if status != 1 || !strings.Contains(out, "is in use by process "+strconv.Itoa(n.cmd.Process.Pid)+" (b2b)") {
				t.Errorf("%v beside a server: status %d\n%s", args, status, out)
			}
		}
	}
	keeper := &client{t: t, url: n.URL, token: bots["keeper"].token}
	keeper.must("POST", "/api/threads", map[string]any{"topic": "still here"})
	serve(t, t.TempDir()) // another folder is free

	for _, name := range []string{"b2b.db", "b2b.db-wal", "b2b.db-shm", "b2b-files"} { // B2B-ENV-007
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", name, fmt.Sprint(info, err))
		}
	}
	n.kill()
	serve(t, data)
}

// B2B-ENV-053: a server beside an HXA-Connect database reports how to import it, and does not use
// it as its own.
func TestBesideHXAConnect(t *testing.T) {
	t.Parallel()
	dir := oldDatabase(t)
	old := filepath.Join(dir, "hxa-connect.db")
	for _, warned := range []bool{true, false} { // the second time it has its own
		n := serve(t, dir)
		if got := strings.Contains(n.logs.String(), "b2b import --from "+old+" --data "+dir); got != warned {
			t.Errorf("warned: %v, want %v:\n%s", got, warned, n.logs.String())
		}
		if err := n.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, stderr := runImport(t, "--from", old, "--data", dir); status != 0 {
		t.Errorf("the import that was named has status %d: %s", status, stderr)
	}
	renamed := t.TempDir()
	if err := os.Rename(old, filepath.Join(renamed, "b2b.db")); err != nil {
		t.Fatal(err)
	}
	_, out, status := command(t, []string{"B2B_ADMIN_SECRET=9f86d081884c7d659a2feaa0"}, "serve", "--data", renamed)
	if want := "b2b import --from " + filepath.Join(renamed, "b2b.db"); status != 1 || !strings.Contains(out, want) {
		t.Errorf("status %d, no %q in %s", status, want, out)
	}
}
