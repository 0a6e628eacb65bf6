package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/nettest"
)

// Bodies as they arrive from the network: in chunks, cut off, announced first. Each case is the
// bytes of a request, and the status and code of the response.
func TestHostileNetwork(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	o := n.newOrg(t, "own")
	var network nettest.Network
	web := network.NewServer(n.server.Handler())
	t.Cleanup(web.Close)
	auth := "Host: b2b.test\r\nAuthorization: " + o.member.header.Get("Authorization") + "\r\nContent-Type: application/json\r\n"
	send := "POST /api/send HTTP/1.1\r\n" + auth
	good := `{"to":"own-bot2","content":"hello"}`
	chunk := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }
	chunks := func(text string, size int) string {
		var b strings.Builder
		for ; len(text) > size; text = text[size:] {
			b.WriteString(chunk(text[:size]))
		}
		return b.String() + chunk(text) + "0\r\n\r\n"
	}
	padded := func(size int) string {
		frame := `{"to":"own-bot2","content":"hello","pad":""}`
		return frame[:len(frame)-2] + strings.Repeat("x", size-len(frame)) + `"}`
	}
	for name, x := range map[string]struct{ request, want string }{
		"plain":                {send + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(good), good), "200 "},
		"chunks of a byte":     {send + "Transfer-Encoding: chunked\r\n\r\n" + chunks(good, 1), "200 "},
		"chunks, trailer":      {send + "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n" + chunk(good) + "0\r\nX-A: b\r\n\r\n", "200 "},
		"chunks of 1 MiB":      {send + "Transfer-Encoding: chunked\r\n\r\n" + chunks(padded(1<<20), 40_000), "200 "},
		"chunks of 1 MiB + 1":  {send + "Transfer-Encoding: chunked\r\n\r\n" + chunks(padded(1<<20+1), 40_000), "413 PAYLOAD_TOO_LARGE"},
		"no chunks":            {send + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 VALIDATION_ERROR"},
		"a broken chunk":       {send + "Transfer-Encoding: chunked\r\n\r\nnova\r\n", "400 VALIDATION_ERROR"},
		"cut off":              {send + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(good)+10, good), "400 VALIDATION_ERROR"},
		"nothing of it came":   {send + "Content-Length: 10\r\n\r\n", "400 VALIDATION_ERROR"},
		"announced":            {send + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(good), good), "200 "},
		"announced, too large": {send + "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n", "413 PAYLOAD_TOO_LARGE"},
		"too large to be":      {send + "Content-Length: 9223372036854775807\r\nExpect: 100-continue\r\n\r\n", "413 PAYLOAD_TOO_LARGE"},
		"GET with a body":      {"GET /api/me HTTP/1.1\r\n" + auth + "Content-Length: 5\r\n\r\n{\"a\":", "400 VALIDATION_ERROR"},
		"raw bytes in a path":  {"GET /api/threads/\xff\xfe HTTP/1.1\r\n" + auth + "\r\n", "400 VALIDATION_ERROR"},
		"a whole URL":          {"GET http://b2b.test/api/me HTTP/1.1\r\n" + auth + "\r\n", "200 "},
		"dots":                 {"GET /api/threads/../me HTTP/1.1\r\n" + auth + "\r\n", "404 NOT_FOUND"},
		"doubled slash":        {"GET //api//me HTTP/1.1\r\n" + auth + "\r\n", "404 NOT_FOUND"},
		"HTTP/1.0":             {"GET /api/me HTTP/1.0\r\n" + auth + "\r\n", "200 "},
		"options of all":       {"OPTIONS /api/me HTTP/1.1\r\n" + auth + "\r\n", "404 NOT_FOUND"},
		"two credentials":      {"GET /api/me HTTP/1.1\r\n" + auth + "Authorization: Bearer nova\r\n\r\n", "200 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := exchange(t, web.Listener.(*nettest.Listener), x.request, name == "cut off" || name == "nothing of it came")
			sane(t, name, a)
			if got := fmt.Sprintf("%d %s", a.status, a.code()); got != x.want {
				t.Errorf("%v, want %s", a, x.want)
			}
		})
	}
}

// exchange writes a request and returns the last response; cut means that the client sends nothing
// more.
func exchange(t *testing.T, to *nettest.Listener, request string, cut bool) answer {
	t.Helper()
	conn, err := to.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, request)
		if err == nil && cut { // otherwise net/http treats the client as gone
			err = conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		wrote <- err
	}()
	verb, _, _ := strings.Cut(request, " ")
	from := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(from, &http.Request{Method: verb})
		if err != nil {
			t.Fatalf("read the answer: %v (write: %v)", err, <-wrote)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		if err := <-wrote; err != nil && res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Error(err)
		}
		return answer{res.StatusCode, res.Header, string(body)}
	}
}
