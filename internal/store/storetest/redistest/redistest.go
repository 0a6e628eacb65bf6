// Package redistest runs a private Redis for tests.
package redistest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Server is a Redis of one test. It answers at URL, and writes what it holds to disk
// only when it is asked to (SAVE), from where it reads it when it starts again.
type Server struct {
	URL    string
	t      testing.TB
	socket string
	cmd    *exec.Cmd
}

// Start starts a Redis that stops with the test. Where there is none the test is
// skipped with the reason, but with CI=true it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	socket := filepath.Join(dir, "s")
	s := &Server{URL: "unix://" + socket, t: t, socket: socket}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start starts it again.
func (s *Server) Start() {
	s.t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			s.t.Fatal(err)
		}
		s.t.Skipf("no Redis to test with (Debian: redis-server): %v", err)
	}
	s.cmd = exec.Command(program, "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket))
	s.cmd.Stdout, s.cmd.Stderr = s.t.Output(), s.t.Output()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 500 {
		if _, err := os.Stat(s.socket); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("Redis does not start")
}

// Stop kills it.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait() // it was killed
	_ = os.Remove(s.socket)
	s.cmd = nil
}
