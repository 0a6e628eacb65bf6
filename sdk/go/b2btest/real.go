package b2btest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	adminSecret   = "only-for-tests"
	startTimeout  = 60 * time.Second
	mostPerMinute = 1_000_000
	keptLog       = 64 << 10 // bytes
)

// RealServer is the program b2b on a free port of this machine, with data in a temporary folder. It
// keeps its port and its data over restarts.
type RealServer struct {
	// URL is the base URL.
	URL string

	t       testing.TB
	binary  string
	folder  string
	port    string
	process *exec.Cmd
	logged  *tail
}

// Start starts a server, which ends with the test. The program is the file of the environment
// variable B2B_BINARY, or else b2b in the PATH; without it, the test fails.
func Start(t testing.TB) *RealServer {
	t.Helper()
	binary, err := exec.LookPath(cmp.Or(os.Getenv("B2B_BINARY"), "b2b"))
	if err != nil {
		t.Fatalf("b2btest: there is no program b2b: set B2B_BINARY to its file, or use a FakeServer: %v", err)
	}
	s := &RealServer{t: t, binary: binary, folder: t.TempDir(), port: "0"}
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

var listening = regexp.MustCompile(`"msg":"listening","addr":"[^"]+:(\d+)"`)

// Restart starts the server again after [RealServer.Kill]. It returns when the server listens.
func (s *RealServer) Restart() {
	s.t.Helper()
	s.process = exec.Command(s.binary, "serve", "--port", s.port)
	others := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "B2B_") }) // not this server's
	s.process.Env = append(others,
		"B2B_DATA_DIR="+s.folder, "B2B_HOST=127.0.0.1", "B2B_ADMIN_SECRET="+adminSecret, "B2B_LOG_LEVEL=info")
	log, err := s.process.StderrPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		s.t.Fatalf("b2btest: start %s: %v", s.binary, err)
	}
	port := make(chan string, 1)
	s.logged = &tail{done: make(chan struct{})}
	go s.logged.read(log, port)
	select {
	case s.port = <-port:
		s.URL = "http://127.0.0.1:" + s.port
		return
	case <-s.logged.done:
	case <-time.After(startTimeout):
	}
	s.Kill()
	s.t.Fatalf("b2btest: the server did not listen. Its log:\n%s", s.Log())
}

// Kill ends the server without a warning, as a crash does. Of a server that has ended, it does nothing.
func (s *RealServer) Kill() {
	if s.process == nil || s.process.Process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended already
	<-s.logged.done
	_ = s.process.Wait() // it was killed
	s.process = nil
}

// Log returns the end of the log since the last start.
func (s *RealServer) Log() string {
	s.logged.mu.Lock()
	defer s.logged.mu.Unlock()
	return s.logged.text.String()
}

// tail keeps the end of a log.
type tail struct {
	done chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *tail) read(log io.Reader, port chan<- string) {
	defer close(l.done)
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		l.mu.Lock()
		l.text.Write(line)
		l.text.Next(max(0, l.text.Len()-keptLog))
		l.mu.Unlock()
		if found := listening.FindSubmatch(line); found != nil {
			select {
			case port <- string(found[1]):
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// Bots makes an org with bots, of which the first is an admin, and returns their tokens.
func (s *RealServer) Bots(names ...string) (tokens []string) {
	s.t.Helper()
	tokens, err := s.bots(s.t.Context(), names)
	if err != nil {
		s.t.Fatalf("b2btest: make bots: %v", err)
	}
	return tokens
}

// Clients makes an org with bots as [RealServer.Bots] does, and returns a client of each.
func (s *RealServer) Clients(names ...string) (clients []*b2b.Client) {
	s.t.Helper()
	for _, token := range s.Bots(names...) {
		clients = append(clients, b2b.New(s.URL, b2b.WithToken(token)))
	}
	return clients
}

func (s *RealServer) bots(ctx context.Context, names []string) (tokens []string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := b2b.New(s.URL, b2b.WithHTTPClient(&http.Client{Transport: insecureCookies{http.DefaultTransport}, Jar: jar}))
	if _, err := c.Auth.Login(ctx, &b2bv1.LoginRequest{Type: b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN.Enum(), AdminSecret: proto.String(adminSecret)}); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	org, err := c.Platform.CreateOrg(ctx, &b2bv1.CreateOrgRequest{Name: proto.String("test")})
	if err != nil {
		return nil, fmt.Errorf("create an org: %w", err)
	}
	for _, name := range names {
		bot, err := b2b.New(s.URL).Auth.RegisterBot(ctx, &b2bv1.RegisterBotRequest{OrgId: &org.Id, OrgSecret: &org.OrgSecret, Name: &name})
		if err != nil {
			return nil, fmt.Errorf("register %s: %w", name, err)
		}
		tokens = append(tokens, bot.GetToken())
	}
	_, err = b2b.New(s.URL, b2b.WithToken(tokens[0])).Org.UpdateOrgSettings(ctx, &b2bv1.UpdateOrgSettingsRequest{MessagesPerMinutePerBot: proto.Int64(mostPerMinute)})
	return tokens, err
}

// insecureCookies lets a jar send cookies that are marked Secure over plain HTTP, on this machine.
type insecureCookies struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t insecureCookies) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	cookies := res.Cookies()
	res.Header.Del("Set-Cookie")
	for _, c := range cookies {
		c.Secure = false
		res.Header.Add("Set-Cookie", c.String())
	}
	return res, nil
}
