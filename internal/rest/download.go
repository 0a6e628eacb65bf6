package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A file never changes, so a client may cache it for ever, but a shared cache must not: access to
// it is checked (B2B-FILE).
var (
	forEver   = []string{"private, max-age=31536000, immutable"}
	noContent = []string{"default-src 'none'"} // a browser must not run or load anything in a file
)

// download serves an operation that sends a file; the bytes of the file are the body.
func (s *handler) download(w http.ResponseWriter, r *http.Request, info *call.Info, req proto.Message, malformed error) error {
	out := &fileWriter{ResponseWriter: w, request: r}
	info.Serve = func(c *call.Content) error { return s.serveFile(out, r, c) }
	_, err := s.pipeline.Do(r.Context(), info, req, malformed, func(ctx context.Context) (proto.Message, error) {
		return nil, info.Operation.Stream(ctx, req, func(proto.Message) error {
			return fmt.Errorf("%s sent a message instead of a file", info.Operation.Procedure)
		})
	})
	if err != nil && !out.begun {
		return WriteError(w, r, err)
	}
	return errors.Join(err, out.broken)
}

// serveFile writes a file, or the requested ranges of it.
func (s *handler) serveFile(w *fileWriter, r *http.Request, c *call.Content) error {
	disposition := "attachment"
	if c.Inline {
		disposition = "inline"
	}
	h := w.Header()
	h["Content-Type"] = []string{c.Type}
	h["Content-Disposition"] = []string{disposition + "; filename*=UTF-8''" + percentEncode(c.Name)}
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = noContent
	h["Cache-Control"] = forEver
	h["Etag"] = []string{c.ETag}
	// Preconditions that an immutable file always meets are ignored.
	asked := *r
	asked.Header = r.Header.Clone()
	asked.Header.Del("If-Match")
	asked.Header.Del("If-Unmodified-Since")
	if lines := asked.Header["If-None-Match"]; len(lines) > 1 {
		asked.Header.Set("If-None-Match", strings.Join(lines, ", ")) // net/http reads only the first line
	}
	if asked.Header.Get("Range") != "" {
		size, err := c.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("measure a file: %w", err)
		}
		if ranges := askedRange(asked.Header.Get("Range"), size); ranges != "" {
			asked.Header.Set("Range", ranges)
		} else {
			asked.Header.Del("Range")
		}
	}
	source := &watched{ReadSeeker: c.ReadSeeker}
	http.ServeContent(w, &asked, "", c.Modified, source)
	if source.err != nil {
		s.log.ErrorContext(r.Context(), "file not read to its end", "etag", c.ETag, "error", source.err)
	}
	return nil
}

// fileWriter replaces the errors of net/http with those of the protocol.
type fileWriter struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
	refused bool
	broken  error // the first failure to write
}

func (w *fileWriter) WriteHeader(status int) {
	w.begun = true
	if status != http.StatusRequestedRangeNotSatisfiable {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	for _, name := range []string{"Content-Disposition", "Content-Security-Policy", "Etag", "Last-Modified"} {
		w.Header().Del(name)
	}
	w.broken = WriteError(w.ResponseWriter, w.request,
		call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RANGE_NOT_SATISFIABLE, "The file has no such bytes"))
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil // drop the text of net/http
	}
	w.begun = true
	n, err := w.ResponseWriter.Write(p)
	if err != nil && w.broken == nil {
		w.broken = err
	}
	return n, err
}

// piece is how much of a file the kernel sends with one call, in bytes: the write deadline of the
// connection is that of one piece.
const piece = 128 << 10

// ReadFrom passes a file on disk to the connection, which lets the kernel send it, piece by piece.
func (w *fileWriter) ReadFrom(src io.Reader) (sent int64, err error) {
	part, file := w.sendable(src)
	if file == nil {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	w.begun = true
	for part.N > 0 && err == nil {
		var n int64
		n, err = io.CopyN(w.ResponseWriter, file, min(part.N, piece))
		part.N -= n
		sent += n
	}
	if errors.Is(err, io.EOF) {
		return sent, nil // the file is shorter than before; other readers report that as EOF, too
	}
	if err != nil && w.broken == nil {
		w.broken = err
	}
	return sent, err
}

// sendable returns the part of a file on disk that src reads, and the file. It returns nil if src
// is something else or the connection cannot send files.
func (w *fileWriter) sendable(src io.Reader) (part *io.LimitedReader, file io.Reader) {
	if _, ok := w.ResponseWriter.(io.ReaderFrom); !ok || w.refused {
		return nil, nil
	}
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return nil, nil
	}
	source, ok := part.R.(*watched)
	if !ok {
		return nil, nil
	}
	if _, ok := source.ReadSeeker.(syscall.Conn); !ok {
		return nil, nil
	}
	return part, source.ReadSeeker
}

// watched records why a file could not be read.
type watched struct {
	io.ReadSeeker
	err error
}

func (r *watched) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// percentEncode escapes a name as in RFC 5987. It leaves the characters unescaped that JavaScript's
// encodeURIComponent leaves.
func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~!'()*", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
