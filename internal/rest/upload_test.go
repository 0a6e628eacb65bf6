package rest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// received is what was read from a form.
type received struct {
	name, kind, requestID *string
	data                  []byte
	messages              int
	code                  b2bv1.ErrorCode // of the refusal
}

func (r received) String() string {
	text := func(s *string) string {
		if s == nil {
			return "none"
		}
		return fmt.Sprintf("%q", *s)
	}
	return fmt.Sprintf("name %s, type %s, request id %s, %d bytes, %s", text(r.name), text(r.kind), text(r.requestID), len(r.data), r.code)
}

// receive reads a form to its end or to its first error.
func receive(t testing.TB, contentType string, body io.Reader) (got received) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/files/upload", body)
	r.Header.Set("Content-Type", contentType)
	refused := func(err error) received {
		e, ok := call.AsError(err)
		if !ok {
			t.Errorf("not an error for clients: %v", err)
		}
		got.code = e.Code
		return got
	}
	f, err := newForm(r)
	if err != nil {
		return refused(err)
	}
	for {
		m, err := f.next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			return refused(err)
		}
		got.messages++
		piece := m.(*b2bv1.UploadFileRequest)
		if len(piece.GetData()) > uploadBuffer {
			t.Errorf("%d bytes in one message", len(piece.GetData()))
		}
		got.data = append(got.data, piece.GetData()...)
		for field, value := range map[**string]*string{&got.name: piece.Name, &got.kind: piece.MimeType, &got.requestID: piece.RequestId} {
			if value != nil {
				kept := strings.Clone(*value)
				*field = &kept
			}
		}
	}
}

const (
	edge     = "edge"
	formType = "multipart/form-data; boundary=" + edge
)

// forms are seeds for the fuzz test: valid ones, and invalid ones with their errors.
var forms = map[string]struct {
	body string
	code b2bv1.ErrorCode // unspecified: it is accepted
}{
	"a file": {"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--edge--\r\n", 0},
	"a file and texts": {"--edge\r\nContent-Disposition: form-data; name=\"request_id\"\r\n\r\nr-1\r\n" +
		"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n" +
		"--edge\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nignored\r\n--edge--\r\n", 0},
	"no file":                    {"--edge--\r\n", 0},
	"no line break at the end":   {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--edge--", 0},
	"space behind the last edge": {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--edge-- \t", 0},
	"lines end in LF":            {"--edge\nContent-Disposition: form-data; name=file; filename=a\n\nhello\n--edge--\n", 0},
	"something before and after": {"before\r\n--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--edge--\r\nafter --edge", 0},
	"an edge within the bytes":   {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx --edge-- y\r\n --edge\r\n--edgy\r\n--edge--\r\n", 0},
	"quoted-printable":           {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db\r\n--edge--\r\n", 0},
	"a name in another charset":  {"--edge\r\nContent-Disposition: form-data; name=file; filename*=iso-8859-1''%e9\r\n\r\nx\r\n--edge--\r\n", 0},
	"nothing":                    {"", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"cut off in a header":        {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--edge\r\nContent-Dis", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"cut off before a header":    {"--edge\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"no disposition":             {"--edge\r\n\r\nhello\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"another name":               {"--edge\r\nContent-Disposition: form-data; name=doc; filename=a\r\n\r\nhello\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"two files": {"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n" +
		"--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"many texts":         {strings.Repeat("--edge\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", maxTexts+1) + "--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"a long header":      {"--edge\r\nX: " + strings.Repeat("x", maxPartHead) + "\r\n\r\n\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
	"an empty request":   {"--edge\r\nContent-Disposition: form-data; name=request_id\r\n\r\n\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
	"a NUL in a request": {"--edge\r\nContent-Disposition: form-data; name=request_id\r\n\r\n\x00\r\n--edge--\r\n", b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
}

func TestForms(t *testing.T) {
	t.Parallel()
	for what, c := range forms {
		if got := receive(t, formType, strings.NewReader(c.body)); got.code != c.code {
			t.Errorf("%s: %s, want %s", what, got, c.code)
		}
	}
	got := receive(t, formType, strings.NewReader(forms["a file and texts"].body))
	if got.String() != `name "a", type "", request id "r-1", 5 bytes, ERROR_CODE_UNSPECIFIED` || string(got.data) != "hello" {
		t.Errorf("%s: %q", got, got.data)
	}
	if got := receive(t, formType, strings.NewReader(forms["quoted-printable"].body)); string(got.data) != "a=3Db" {
		t.Errorf("bytes were decoded: %q", got.data)
	}
}

// A form that is cut off anywhere is refused: half a file is not stored (B2B-FILE-002).
func TestFormsCutOff(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"a file", "a file and texts"} {
		whole := forms[what].body
		for n := range len(whole) - len("\r\n") {
			if got := receive(t, formType, strings.NewReader(whole[:n])); got.code != b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR {
				t.Errorf("%s, cut off at %q: %s", what, whole[max(0, n-20):n], got)
			}
		}
	}
}

// FuzzForm checks that any input is either refused with an error for clients, or ends and yields
// only bytes that were sent, however it is split into reads.
func FuzzForm(f *testing.F) {
	for _, c := range forms {
		f.Add(formType, []byte(c.body))
	}
	f.Add("multipart/form-data; boundary=\"a b\"; boundary=c", []byte("--a b--"))
	f.Add("multipart/mixed; boundary=edge", []byte("--edge--"))
	f.Add("Multipart/Form-Data; boundary*=utf-8''e%20", []byte("--e --\r\n"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		whole := receive(t, contentType, bytes.NewReader(body))
		switch whole.code {
		case b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED:
			if !bytes.Contains(body, whole.data) {
				t.Errorf("%d bytes that were not sent", len(whole.data))
			}
			if !bytes.Contains(body, []byte("--")) {
				t.Error("a form without a final boundary was accepted")
			}
		case b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE:
		default:
			t.Errorf("refused with %s", whole.code)
		}
		if contentType == formType && whole.code == 0 && !bytes.Contains(body, []byte("--"+edge+"--")) {
			t.Errorf("a form without a final boundary was accepted: %s", whole)
		}
		if whole.name == nil && len(whole.data) > 0 {
			t.Error("bytes without a name")
		}
		if whole.messages > 4+2*maxTexts+len(body)/uploadBuffer {
			t.Errorf("%d messages for %d bytes", whole.messages, len(body))
		}
		pieces := receive(t, contentType, iotest.OneByteReader(bytes.NewReader(body)))
		if pieces.String() != whole.String() || !bytes.Equal(pieces.data, whole.data) {
			t.Errorf("byte by byte: %s, at once: %s", pieces, whole)
		}
	})
}
