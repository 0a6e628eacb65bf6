package cli_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// team joins agents to an org of their own, on one machine. The last is the current one.
func team(t *testing.T, names ...string) *machine {
	t.Helper()
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	for _, name := range names {
		env := map[string]string{"B2B_ORG_SECRET": org.GetOrgSecret()}
		if res := m.runWith(t.Context(), env, "", "join", url, "--org", org.GetId(), "--name", name); res.status != 0 {
			t.Fatalf("%+v", res)
		}
	}
	return m
}

// lossy passes requests on, and loses the responses to calls of an operation.
type lossy struct {
	operation string
	lose      atomic.Int32 // how many
}

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && strings.HasSuffix(req.URL.Path, l.operation) && l.lose.Add(-1) >= 0 {
		res.Body.Close()
		return nil, errors.New("the connection broke")
	}
	return res, err
}

// TestSentOnce: a message whose response was lost is one message, whether the verb makes the call again
// or a person runs the verb again.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	m := team(t, "lead", "ops")
	wire := &lossy{operation: "/SendDirectMessage"}
	m.next = wire
	wire.lose.Store(1)
	if res := m.run("", "send", "lead", "one"); res.status != 0 {
		t.Errorf("a response that was lost: %+v", res)
	}
	wire.lose.Store(1000)
	res := m.run("", "send", "lead", "two")
	_, after, ok := strings.Cut(res.err, "--request-id ")
	id, _, _ := strings.Cut(after, " ")
	if res.status == 0 || !ok || id == "" {
		t.Fatalf("all responses lost: %+v", res)
	}
	wire.lose.Store(0)
	if res := m.run("", "send", "lead", "two", "--request-id", id); res.status != 0 {
		t.Errorf("run again: %+v", res)
	}
	if res := m.run("", "send", "lead", "three", "--request-id", id); res.status != cli.ExitConflict {
		t.Errorf("the same id for another text: %+v", res)
	}
	if res := m.run("", "read", "lead", "--json"); strings.Count(res.out, "\n") != 2 {
		t.Errorf("want two messages: %s", res.out)
	}
}

// TestTailResumes: with --state, what happened meanwhile comes first, and nothing comes twice.
func TestTailResumes(t *testing.T) {
	t.Parallel()
	m := team(t, "lead", "ops")
	p, err := profile.Store{Folder: m.folder()}.Load("ops")
	if err != nil {
		t.Fatal(err)
	}
	position, err := b2b.New(p.URL, b2b.WithToken(p.Token)).Present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(m.home, "state")
	tail := []string{"tail", "--state", state, "--type", "message", "--count", "1", "--json"}
	for i, text := range []string{"one", "two", "three"} {
		if res := m.run("", "send", "lead", text); res.status != 0 {
			t.Fatalf("%+v", res)
		}
		words := tail
		if i == 0 {
			words = append(append([]string(nil), tail...), "--from", position)
		}
		if res := m.run("", words...); res.status != 0 || !strings.Contains(res.out, `"content":"`+text+`"`) || strings.Count(res.out,
			"\n") != 1 {
			t.Errorf("want %q only: %+v", text, res)
		}
	}
}

// TestOffer: a person is asked about the programs that are found, and each answer counts for one.
func TestOffer(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	for _, folder := range []string{".codex", ".cursor"} {
		if err := os.Mkdir(filepath.Join(m.home, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.env["B2B_ORG_SECRET"], m.env["PAGER"] = org.GetOrgSecret(), "cat"
	m.person, m.terminal = true, true
	res := m.run("y\nn\n", "join", url, "--org", org.GetId(), "--name", "lead")
	if res.status != 0 || !strings.Contains(res.out, "Codex, Cursor are here") || strings.Count(res.err, "[y/N]") != 2 {
		t.Fatalf("%+v", res)
	}
	if _, err := os.Stat(filepath.Join(m.home, ".codex", "config.toml")); err != nil {
		t.Errorf("yes: %v", err)
	}
	if _, err := os.Stat(filepath.Join(m.home, ".cursor", "mcp.json")); !os.IsNotExist(err) {
		t.Errorf("no: %v", err)
	}
}

// TestPager: on a terminal long output goes through the pager, and --no-pager and --json avoid it.
func TestPager(t *testing.T) {
	t.Parallel()
	m := team(t, "lead")
	m.env["PATH"] = os.Getenv("PATH")
	m.person, m.terminal = true, true
	m.env["PAGER"] = "sed s/^/paged:/"
	if res := m.run("", "agents"); res.status != 0 || !strings.HasPrefix(res.out, "paged:") {
		t.Errorf("%+v", res)
	}
	for _, flag := range []string{"--no-pager", "--json"} {
		if res := m.run("", "agents", flag); res.status != 0 || strings.Contains(res.out, "paged:") {
			t.Errorf("%s: %+v", flag, res)
		}
	}
	m.env["B2B_PAGER"] = "no-such-pager"
	if res := m.run("", "agents"); res.status != cli.ExitFailed || !strings.Contains(res.err, "no-such-pager") {
		t.Errorf("a pager that is not there: %+v", res)
	}
}
