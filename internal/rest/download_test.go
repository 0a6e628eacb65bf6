package rest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
)

// sink is a response with ReadFrom, like that of net/http on a TCP connection.
type sink struct {
	*httptest.ResponseRecorder
	pieces []int64
	files  int // the pieces that the kernel can send
}

func (s *sink) ReadFrom(src io.Reader) (int64, error) {
	part := src.(*io.LimitedReader)
	s.pieces = append(s.pieces, part.N)
	if _, ok := part.R.(syscall.Conn); ok {
		s.files++
	}
	return io.Copy(s.Body, src)
}

// The kernel sends a file on disk, whole or one range, in pieces. A file that is stored elsewhere
// and several ranges are written.
func TestSendFile(t *testing.T) {
	t.Parallel()
	data := make([]byte, 3*piece+5)
	for i := range data {
		data[i] = byte(rand.Int())
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		byteRange     string
		elsewhere     bool
		status, files int
		want          []byte // nil: not checked
	}{
		"whole":          {"", false, 200, 4, data},
		"part":           {"bytes=7-300006", false, 206, 3, data[7:300007]},
		"one byte":       {"bytes=-1", false, 206, 1, data[len(data)-1:]},
		"two ranges":     {"bytes=0-9,20-29", false, 206, 0, nil},
		"beyond":         {"bytes=9999999-", false, 416, 0, nil},
		"kept elsewhere": {"", true, 200, 0, data},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			content := &call.Content{ReadSeeker: f, Type: "text/plain", ETag: `"x"`, Modified: time.Now()}
			if c.elsewhere {
				content.ReadSeeker = bytes.NewReader(data)
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if c.byteRange != "" {
				r.Header.Set("Range", c.byteRange)
			}
			out := &sink{ResponseRecorder: httptest.NewRecorder()}
			w := &fileWriter{ResponseWriter: out, request: r}
			if err := (&handler{}).serveFile(w, r, content); err != nil {
				t.Fatal(err)
			}
			if out.Code != c.status || c.want != nil && !bytes.Equal(out.Body.Bytes(), c.want) {
				t.Errorf("%d with %d bytes, want %d with %d", out.Code, out.Body.Len(), c.status, len(c.want))
			}
			if out.files != c.files || len(out.pieces) != c.files {
				t.Errorf("%d pieces of the file of %v, want %d", out.files, out.pieces, c.files)
			}
			for _, n := range out.pieces {
				if n > piece {
					t.Errorf("a piece of %d bytes", n)
				}
			}
		})
	}
}

// short is a response on a connection that breaks.
type short struct{ *sink }

func (s short) ReadFrom(src io.Reader) (int64, error) {
	n, _ := io.CopyN(s.Body, src, 10)
	return n, syscall.ECONNRESET
}

// A broken connection is reported as such.
func TestSendFileBroken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 2*piece), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := short{&sink{ResponseRecorder: httptest.NewRecorder()}}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := &fileWriter{ResponseWriter: out, request: r}
	if err := (&handler{}).serveFile(w, r, &call.Content{ReadSeeker: f, Type: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	if w.broken != syscall.ECONNRESET || out.Body.Len() != 10 {
		t.Errorf("broken: %v after %d bytes", w.broken, out.Body.Len())
	}
}
