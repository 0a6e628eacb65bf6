package cli_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
	"github.com/b2b-protocol/b2b/internal/logtest"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

const adminSecret = "the operator's secret of these tests"

// shared is a server for all tests of the package. It starts when a test needs it, and ends in TestMain.
var shared struct {
	sync.Once
	url      string
	operator *b2b.Client
	err      error
	stop     func() error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.stop != nil {
		if err := shared.stop(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// startServer returns the URL of the server.
func startServer(t testing.TB) string {
	t.Helper()
	shared.Do(func() {
		if shared.url, shared.stop, shared.err = serve(); shared.err == nil {
			shared.operator, shared.err = operator(context.Background(), shared.url)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.url
}

func serve() (url string, stop func() error, err error) {
	folder, err := os.MkdirTemp("", "b2b-cli-")
	if err != nil {
		return "", nil, err
	}
	c := config.Default()
	c.Host, c.Port, c.DataDir, c.AdminSecret = "127.0.0.1", 0, folder, adminSecret
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.New(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		cancel()
		return "", nil, err
	}
	l, err := s.Listen(ctx)
	if err != nil {
		cancel()
		return "", nil, err
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), func() error {
		cancel()
		if err := <-done; err != nil {
			return err
		}
		return os.RemoveAll(folder)
	}, nil
}

// operator returns a client with a session of the super admin of a server.
func operator(ctx context.Context, url string) (*b2b.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := b2b.New(url, b2b.WithHTTPClient(&http.Client{Jar: jar}))
	_, err = c.Auth.Login(ctx, &b2bv1.LoginRequest{
		Type: b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN.Enum(), AdminSecret: proto.String(adminSecret),
	})
	return c, err
}

// newOrg makes an org on the server of startServer. All tests use one session: a server has at most
// three of the super admin (B2B-AUTH-025).
func newOrg(t testing.TB) *b2bv1.CreateOrgResponse {
	t.Helper()
	startServer(t)
	org, err := shared.operator.Platform.CreateOrg(t.Context(), &b2bv1.CreateOrgRequest{Name: proto.String("my-team")})
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// machine is a person's machine: a home folder, an environment, a clock.
type machine struct {
	t        testing.TB
	home     string
	env      map[string]string
	terminal bool // the output is one
	person   bool // the input is one
	now      func() time.Time
	next     http.RoundTripper
}

func newMachine(t testing.TB) *machine {
	home := t.TempDir()
	return &machine{t: t, home: home, now: time.Now, env: map[string]string{"HOME": home, "PATH": "/nowhere"},
		next: http.DefaultTransport}
}

// result is what a command has written, and its exit status.
type result struct {
	out, err string
	status   int
}

// run runs a command: "b2b" is not among its words.
func (m *machine) run(stdin string, words ...string) result {
	return m.runWith(m.t.Context(), nil, stdin, words...)
}

func (m *machine) runWith(ctx context.Context, env map[string]string, stdin string, words ...string) result {
	var out bytes.Buffer
	var errs logtest.Buffer // the log and the standard error of commands
	getenv := func(name string) string {
		if v, ok := env[name]; ok {
			return v
		}
		return m.env[name]
	}
	app := &cli.App{
		In: strings.NewReader(stdin), Out: &out, Err: &errs, Getenv: getenv, Now: m.now, Args: words,
		Environ:    func() []string { return []string{"PATH=" + os.Getenv("PATH")} },
		InTerminal: m.person, OutTerminal: m.terminal, ErrTerminal: false, Width: func() int { return 80 },
		Secret:    func() (string, error) { return "", nil },
		Transport: m.next, Completion: time.Minute, Version: "test", Executable: func() (string, error) {
			return "/usr/local/bin/b2b",
				nil
		},
	}
	root := &cobra.Command{Use: "b2b", SilenceErrors: true, SilenceUsage: true}
	app.AddTo(root)
	root.SetArgs(words)
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.ExecuteContext(ctx)
	status, ok := cli.Exit(err)
	if err != nil && !ok {
		m.t.Errorf("b2b %s: the error %v has no exit status", strings.Join(words, " "), err)
	}
	return result{out.String(), errs.String(), status}
}

// folder is where the profiles are.
func (m *machine) folder() string { return filepath.Join(m.home, ".config", "b2b") }
