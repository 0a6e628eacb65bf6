package redisbell

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a Redis of the test's own, reachable through a socket. Where there is
// none the test is skipped with the reason, but with CI=true it fails.
func start(t *testing.T, socket string) (stop func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no Redis to test with (Debian: redis-server): %v", err)
	}
	c := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(socket))
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = c.Wait() // it was killed
		_ = os.Remove(socket)
	}
	t.Cleanup(stop)
	for range 500 {
		if _, err := os.Stat(socket); err == nil {
			return stop
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("Redis does not start")
	return nil
}

type ring struct {
	org string
	seq int64
}

func listen(t *testing.T, b *Bell) (heard chan ring, ended chan error, stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	heard, ended = make(chan ring, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func(org string, seq int64) { heard <- ring{org, seq} }) }()
	select {
	case got := <-heard:
		if got != (ring{}) {
			t.Fatalf("listening began with %v", got)
		}
	case err := <-ended:
		t.Fatalf("listening ended with %v", err)
	}
	return heard, ended, stop
}

func TestBell(t *testing.T) {
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
	stop := start(t, socket)
	log := slog.New(slog.DiscardHandler)
	a, err := New("unix://"+socket, log)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New("unix://"+socket, log)
	if err != nil {
		t.Fatal(err)
	}
	byA, endedA, stopA := listen(t, a)
	byB, endedB, stopB := listen(t, b)
	defer stopB()
	began := time.Now()
	a.Ring("org", 7)
	for _, heard := range []chan ring{byA, byB} {
		if got := <-heard; got != (ring{"org", 7}) {
			t.Errorf("heard %v", got)
		}
	}
	t.Logf("connected and rang in %v", time.Since(began))
	stopA()
	if err := <-endedA; !errors.Is(err, context.Canceled) {
		t.Errorf("listening ended with %v", err)
	}
	stop()
	select {
	case err := <-endedB:
		if err == nil {
			t.Error("listening ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a lost connection was not noticed")
	}
	start(t, socket)
	byB, endedB, again := listen(t, b)
	a.Ring("org", 9)
	for got := range byB {
		if got == (ring{"org", 9}) {
			break
		}
	}
	again()
	<-endedB
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}
