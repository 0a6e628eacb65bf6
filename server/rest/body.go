package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/wire"
)

// MaxBody is the size of the largest body that is read: 1 MiB (B2B-HTTP).
const MaxBody = 1 << 20

// drained is how much more of a refused body is read, so that clients which write
// all before they read meet the answer instead of a broken connection.
const drained = 1 << 20

// readBody appends the JSON body of a request to buf and checks its form. A
// request without a body, or with one of another media type, has an empty one. How long
// it may take is the concern of the server's edge.
func readBody(r *http.Request, buf *wire.Buffer) error {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	ok, err := isJSON(r.Header)
	if !ok || err != nil {
		return err
	}
	if r.ContentLength > MaxBody {
		return tooLarge(r)
	}
	buf.B = slices.Grow(buf.B, int(max(r.ContentLength, 0))+1)
	if buf.B, err = appendAll(buf.B, r); err != nil {
		return err
	}
	buf.B = bytes.TrimPrefix(buf.B, []byte("\xef\xbb\xbf")) // some editors mark UTF-8 so
	if len(buf.B) == 0 {
		return nil
	}
	if err := wire.CheckBody(buf.B); err != nil {
		return invalid(err)
	}
	return nil
}

func appendAll(b []byte, r *http.Request) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > MaxBody:
			return b, tooLarge(r)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, call.Invalid("body: could not be read to its end")
		}
	}
}

// tooLarge refuses a body. Whoever waits for leave to send it gets none.
func tooLarge(r *http.Request) error {
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drained) // the refusal stands, whatever comes of it
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The body is larger than %d bytes", MaxBody)
}

// isJSON tells whether the body is JSON, which is the only media type that is read.
func isJSON(h http.Header) (bool, error) {
	contentType := h.Get("Content-Type")
	charset := ""
	switch contentType {
	case "application/json": // nearly always
	default:
		mediaType, params, err := mime.ParseMediaType(contentType)
		if mediaType != "application/json" {
			return false, nil
		}
		if err != nil {
			return false, unsupported("The parameters of the Content-Type header cannot be read")
		}
		charset = params["charset"]
	}
	if charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return false, unsupported("JSON must be sent in UTF-8")
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return false, unsupported("Bodies must be sent without a Content-Encoding")
	}
	return true, nil
}

func unsupported(text string) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, "%s", text)
}

// invalid makes what the decoder found wrong into a VALIDATION_ERROR. Other errors
// of the decoder are faults of the server and stay as they are.
func invalid(err error) error {
	var fault *wire.FieldError
	if errors.As(err, &fault) {
		return call.Invalid("%s", fault.Error())
	}
	return err
}
