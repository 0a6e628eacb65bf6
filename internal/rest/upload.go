package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// upload serves an operation whose request is a form with a file (B2B-FILE).
func (s *handler) upload(r *http.Request, info *call.Info) (proto.Message, error) {
	return s.pipeline.Do(r.Context(), info, nil, nil, func(ctx context.Context) (proto.Message, error) {
		f, err := newForm(r)
		if err != nil {
			return nil, err
		}
		res, err := info.Operation.Receive(ctx, f.next)
		if err != nil {
			f.drain(r)
		}
		return res, err
	})
}

const (
	fileField    = "file"
	maxText      = 1 << 20  // bytes of a text part
	maxTexts     = 100      // text parts
	maxPartHead  = 64 << 10 // bytes of a boundary and the headers of a part
	uploadBuffer = 64 << 10 // bytes that are read and passed on at a time
	drainedForm  = 16 << 20 // as drained, for a refused upload
)

// form reads multipart/form-data as messages: the metadata of the file, then its bytes as they
// arrive.
type form struct {
	parts *multipart.Reader
	head  *allowance
	file  *multipart.Part // the part with the file, while it is read
	seen  bool
	texts int
	buf   []byte
}

// newForm checks the headers of the request.
func newForm(r *http.Request) (*form, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, unsupported("Bodies must be sent without a Content-Encoding")
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "multipart/form-data" {
		return nil, call.Invalid("file: the body must be multipart/form-data with the file as the part %q", fileField)
	}
	if err != nil || params["boundary"] == "" {
		return nil, uploadError("The Content-Type header has no boundary that can be read")
	}
	ending := &formBody{r: r.Body, last: []byte("--" + params["boundary"] + "--")}
	head := &allowance{r: bufio.NewReaderSize(ending, uploadBuffer)}
	return &form{parts: multipart.NewReader(head, params["boundary"]), head: head}, nil
}

func uploadError(format string, args ...any) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR, format, args...)
}

// next returns the next message, which is valid until the following call.
func (f *form) next() (proto.Message, error) {
	for {
		if f.file != nil {
			m, err := f.bytes()
			if m != nil || err != nil {
				return m, err
			}
		}
		m, err := f.part()
		if err != nil {
			return nil, err
		}
		if m != nil {
			return m, nil
		}
	}
}

// bytes reads the next bytes of the file; it returns nil at the end.
func (f *form) bytes() (proto.Message, error) {
	if f.buf == nil {
		f.buf = make([]byte, uploadBuffer)
	}
	n := 0
	for n < len(f.buf) {
		more, err := f.file.Read(f.buf[n:])
		n += more
		if err == io.EOF {
			f.file = nil
			break
		}
		if err != nil {
			return nil, cutOff(err)
		}
	}
	if n == 0 {
		return nil, nil
	}
	return &b2bv1.UploadFileRequest{Data: f.buf[:n]}, nil
}

// part reads the headers of the next part, and its content if that is text.
func (f *form) part() (proto.Message, error) {
	f.head.begin(maxPartHead)
	part, err := f.parts.NextRawPart()
	f.head.end()
	if err == io.EOF {
		return nil, err
	}
	if err != nil {
		return nil, cutOff(err)
	}
	field, name, isFile, err := disposition(part.Header.Get("Content-Disposition"))
	if err != nil {
		return nil, uploadError("A part of the form has no Content-Disposition that can be read")
	}
	switch {
	case !isFile:
		return f.text(part, field)
	case field != fileField:
		return nil, uploadError("The file must be the part %q of the form", fileField)
	case f.seen:
		return nil, uploadError("A form holds one file")
	}
	f.seen, f.file = true, part
	kind := part.Header.Get("Content-Type")
	return &b2bv1.UploadFileRequest{Name: &name, MimeType: &kind}, nil
}

// text reads a text part. Only request_id is used.
func (f *form) text(part *multipart.Part, field string) (proto.Message, error) {
	if f.texts++; f.texts > maxTexts {
		return nil, uploadError("A form has at most %d texts", maxTexts)
	}
	var kept strings.Builder
	into := io.Discard
	if field == "request_id" {
		into = &kept
	}
	n, err := io.Copy(into, io.LimitReader(part, maxText+1))
	if err != nil {
		return nil, cutOff(err)
	}
	if n > maxText {
		return nil, uploadError("A text of a form has at most %d bytes", maxText)
	}
	if field != "request_id" {
		return nil, nil
	}
	id := kept.String()
	m := &b2bv1.UploadFileRequest{RequestId: &id}
	if id == "" || strings.ContainsRune(id, 0) {
		return nil, call.Invalid("request_id: must be 1 to %d bytes", limits.MaxRequestID)
	}
	return m, nil
}

// drain reads a limited amount of what a refused client still sends.
func (f *form) drain(r *http.Request) {
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, f.head.r, drainedForm) // the upload is refused in any case
	}
}

// cutOff returns the error for a form that could not be read to its end.
func cutOff(err error) error {
	switch {
	case errors.Is(err, errAllowance):
		return uploadError("The headers of a part have more than %d bytes", maxPartHead)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return uploadError("The upload came too slowly")
	}
	return uploadError("The form is malformed, or was cut off")
}

// formBody tells a form with its final boundary from a body that was cut off: multipart.Reader
// confuses the two in the headers of a part.
type formBody struct {
	r    io.Reader
	last []byte // the final boundary
	tail []byte // the last bytes read
}

// endSpace is how many spaces may follow the final boundary.
const endSpace = 64

func (b *formBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	keep := len(b.last) + endSpace
	b.tail = append(b.tail, p[max(0, n-keep):n]...)
	b.tail = append(b.tail[:0], b.tail[max(0, len(b.tail)-keep):]...)
	if err == io.EOF && !bytes.HasSuffix(bytes.TrimRight(b.tail, " \t"), b.last) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// allowance limits how many bytes may be read between begin and end.
type allowance struct {
	r     io.Reader
	on    bool
	bytes int
}

var errAllowance = errors.New("rest: more bytes than allowed")

func (a *allowance) begin(n int) { a.on, a.bytes = true, n }

func (a *allowance) end() { a.on = false }

func (a *allowance) Read(p []byte) (int, error) {
	if !a.on {
		return a.r.Read(p)
	}
	if a.bytes <= 0 {
		return 0, errAllowance
	}
	n, err := a.r.Read(p[:min(len(p), a.bytes)])
	a.bytes -= n
	return n, err
}
