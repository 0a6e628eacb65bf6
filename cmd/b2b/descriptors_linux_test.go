package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// descriptors limits how many files and connections the server may have open.
func (n *node) descriptors(most uint64) {
	n.t.Helper()
	limit := syscall.Rlimit{Cur: most, Max: most}
	_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(n.cmd.Process.Pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		n.t.Fatalf("limit the descriptors of the server: %v", errno)
	}
}

// TestDescriptorsRunOut opens more anonymous connections than the server can have descriptors: bots
// can still connect, each message over a new connection, and the log reports it once (B2B-LIM-043,
// 044).
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("writer", "reader")
	const most = 80
	n.descriptors(most)
	var anonymous []net.Conn
	defer func() {
		for _, c := range anonymous {
			_ = c.Close() // the server may have closed it
		}
	}()
	for range 4 * most {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		anonymous = append(anonymous, conn)
	}
	waittest.Until(t, "no connection is refused by the system", func() bool { return strings.Contains(n.logs.String(), "connections not accepted") })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for i := range 10 {
		r, err := http.NewRequestWithContext(t.Context(), "POST", n.URL+"/api/send", strings.NewReader(fmt.Sprintf(`{"to":"reader","content":"m%d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+bots["writer"].token)
		r.Header.Set("Content-Type", "application/json")
		start := time.Now()
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("message %d: %d %s, %v", i, res.StatusCode, body, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("message %d took %v", i, time.Since(start).Round(time.Millisecond))
	}
	text := n.logs.String()
	if lines := strings.Count(text, "connections not accepted"); lines > 2 || !strings.Contains(text, `"level":"WARN","msg":"connections not accepted","kind":"not accepted","count":1,"error":"accept tcp`) {
		t.Errorf("the log has %d lines of it:\n%s", lines, text)
	}
}
