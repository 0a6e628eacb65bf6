package cli_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

const token = "bot_00000000000000000000000000000000000000000000test"

// refusing is a server that refuses to say who calls, with a code.
type refusing struct {
	b2bv1connect.UnimplementedBotServiceHandler
	code b2bv1.ErrorCode
	in   connect.Code
}

func (s refusing) GetMe(context.Context, *b2bv1.GetMeRequest) (*b2bv1.GetMeResponse, error) {
	err := connect.NewError(s.in, errors.New("refused"))
	detail, failed := connect.NewErrorDetail(&b2bv1.ErrorDetail{Code: s.code})
	if failed != nil {
		return nil, failed
	}
	err.AddDetail(detail)
	return nil, err
}

// TestExitOfCodes: the exit status follows the code of the server (docs/use/cli.md).
func TestExitOfCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[b2bv1.ErrorCode]int{
		b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR:   cli.ExitUsage,
		b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE:  cli.ExitUsage,
		b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND:          cli.ExitNotFound,
		b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN:      cli.ExitCredential,
		b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:      cli.ExitCredential,
		b2bv1.ErrorCode_ERROR_CODE_TICKET_CONSUMED:    cli.ExitCredential,
		b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE: cli.ExitForbidden,
		b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:     cli.ExitForbidden,
		b2bv1.ErrorCode_ERROR_CODE_NAME_CONFLICT:      cli.ExitConflict,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED:      cli.ExitConflict,
		b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST:         cli.ExitConflict,
		b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED:     cli.ExitConflict,
		b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT:         cli.ExitLimited,
		b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED:     cli.ExitLimited,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_FULL:        cli.ExitLimited,
		b2bv1.ErrorCode_ERROR_CODE_SERVER_ERROR:       cli.ExitFailed,
	} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.Handle(b2bv1connect.NewBotServiceHandler(refusing{code: code, in: connect.CodeAborted}))
			s := httptest.NewServer(mux)
			defer s.Close()
			m := newMachine(t)
			m.env["B2B_URL"], m.env["B2B_TOKEN"] = s.URL, token
			name := strings.TrimPrefix(code.String(), "ERROR_CODE_")
			res := m.run("", "whoami", "--json")
			if res.status != want || !strings.Contains(res.err, `"code":"`+name+`"`) || res.out != "" {
				t.Errorf("%+v, want the status %d and the code %s", res, want, name)
			}
		})
	}
}

// TestExit has what does not depend on a code of the server.
func TestExit(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(func() { close(release); slow.Close() })
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>", http.StatusTeapot)
	}))
	t.Cleanup(other.Close)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	tests := []struct {
		name   string
		ctx    context.Context
		env    map[string]string
		words  []string
		status int
		code   string
		has    string
	}{
		{name: "a wrong flag", words: []string{"whoami", "--wrong"}, status: cli.ExitUsage, code: "USAGE", has: "--wrong"},
		{name: "too many arguments", words: []string{"whoami", "a"}, status: cli.ExitUsage, code: "USAGE"},
		{name: "a wrong address", env: map[string]string{"B2B_URL": "nonsense", "B2B_TOKEN": token}, words: []string{"whoami"},
			status: cli.ExitUsage, code: "USAGE", has: "base URL"},
		{name: "a negative time-out", words: []string{"whoami", "--timeout", "-1s"}, status: cli.ExitUsage, code: "USAGE"},
		{name: "no profile", words: []string{"whoami"}, status: cli.ExitCredential, code: "NO_PROFILE", has: "b2b join"},
		{name: "no such profile", words: []string{"whoami", "--profile", "x"}, status: cli.ExitCredential, code: "NO_PROFILE"},
		{name: "no home", env: map[string]string{"HOME": ""}, words: []string{"whoami"}, status: cli.ExitFailed, code: "FAILED",
			has: "XDG_CONFIG_HOME"},
		{name: "a dead server", env: map[string]string{"B2B_URL": "http://" + dead.Addr().String(), "B2B_TOKEN": token},
			words: []string{"whoami"}, status: cli.ExitUnreachable, code: "UNREACHABLE", has: "b2b doctor"},
		{name: "an unknown name", env: map[string]string{"B2B_URL": "http://b2b.invalid", "B2B_TOKEN": token},
			words: []string{"whoami"}, status: cli.ExitUnreachable, code: "UNREACHABLE", has: "b2b.invalid"},
		{name: "another kind of server", env: map[string]string{"B2B_URL": other.URL, "B2B_TOKEN": token}, words: []string{"whoami"},
			status: cli.ExitUnreachable, code: "UNREACHABLE"},
		{name: "a certificate that nobody trusts", env: map[string]string{"B2B_URL": tls.URL, "B2B_TOKEN": token},
			words: []string{"whoami"}, status: cli.ExitUnreachable, code: "TLS"},
		{name: "a slow server", env: map[string]string{"B2B_URL": slow.URL, "B2B_TOKEN": token},
			words: []string{"whoami", "--timeout", "50ms"}, status: cli.ExitTimeout, code: "TIMEOUT", has: "50ms"},
		{name: "Ctrl-C", ctx: interrupted, env: map[string]string{"B2B_URL": slow.URL, "B2B_TOKEN": token}, words: []string{"whoami"},
			status: cli.ExitInterrupted, code: "INTERRUPTED"},
		{name: "a message that may have been sent", env: map[string]string{"B2B_URL": slow.URL, "B2B_TOKEN": token},
			words: []string{"send", "x", "y", "--timeout", "50ms"}, status: cli.ExitTimeout, code: "TIMEOUT", has: "--request-id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			ctx := t.Context()
			if tt.ctx != nil {
				ctx = tt.ctx
			}
			for _, asJSON := range []bool{false, true} {
				words := tt.words
				if asJSON {
					words = append(append([]string(nil), tt.words...), "--json")
				}
				res := m.runWith(ctx, tt.env, "", words...)
				if res.status != tt.status || res.out != "" || !strings.Contains(res.err, tt.has) || strings.Contains(res.err, token) {
					t.Errorf("%+v, want the status %d and %q", res, tt.status, tt.has)
				}
				if asJSON && !strings.Contains(res.err, `"code":"`+tt.code+`"`) {
					t.Errorf("%s, want the code %s", res.err, tt.code)
				}
			}
		})
	}
}

// TestUnwritableFolder: a profile that cannot be saved uses up no ticket.
func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.home, ".config"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"B2B_ORG_SECRET": org.GetOrgSecret()}
	join := []string{"join", url, "--org", org.GetId(), "--name", "lead"}
	if res := m.runWith(t.Context(), env, "", join...); res.status != cli.ExitFailed || !strings.Contains(res.err,
		"XDG_CONFIG_HOME") {
		t.Errorf("%+v", res)
	}
	m.env["XDG_CONFIG_HOME"] = filepath.Join(m.home, "other")
	if res := m.runWith(t.Context(), env, "", join...); res.status != 0 { // the name is still free
		t.Errorf("%+v", res)
	}
}

// TestWrongClock: times are relative to the clock of the server, also if that of this machine is wrong.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	m.env["B2B_ORG_SECRET"] = org.GetOrgSecret()
	m.now = func() time.Time { return time.Now().Add(-72 * time.Hour) }
	for _, name := range []string{"a", "b"} {
		if res := m.run("", "join", url, "--org", org.GetId(), "--name", name); res.status != 0 {
			t.Fatalf("%+v", res)
		}
	}
	if res := m.run("", "send", "a", "hello"); res.status != 0 {
		t.Fatalf("%+v", res)
	}
	m.terminal = true
	if res := m.run("", "read", "a"); res.status != 0 || strings.Contains(res.out, "in 3 d") || strings.Contains(res.out,
		"in 2 d") {
		t.Errorf("%+v", res)
	}
	if res := m.run("", "read", "a", "--since", "1h", "--json"); res.status != 0 || !strings.Contains(res.out, "hello") {
		t.Errorf("since an hour ago: %+v", res)
	}
}

// TestVerbose: requests are shown without what is secret in them.
func TestVerbose(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	env := map[string]string{"B2B_ORG_SECRET": org.GetOrgSecret()}
	res := m.runWith(t.Context(), env, "", "join", url, "--org", org.GetId(), "--name", "lead", "-v")
	if res.status != 0 || !strings.Contains(res.err, "RegisterBot: 200") {
		t.Fatalf("%+v", res)
	}
	stored, err := os.ReadFile(filepath.Join(m.folder(), "profiles", "lead.json"))
	if err != nil || !strings.Contains(string(stored), `"token": "bot_`) {
		t.Fatalf("the positive control: %v", err)
	}
	for _, secret := range []string{"bot_", org.GetOrgSecret()} {
		if strings.Contains(res.err+res.out, secret) {
			t.Errorf("the output has a secret: %+v", res)
		}
	}
}
