package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/intake"
	"github.com/b2b-protocol/b2b/server/wire"
)

// MaxBody is the size of the largest body that is read: 1 MiB (B2B-HTTP-004).
const MaxBody = 1 << 20

// MaxPublicBody is the same of operations that anybody may call (B2B-LIM-030).
const MaxPublicBody = 256 << 10

// drained is how much of a refused body is read all the same, so that clients which write
// all before they read meet the answer instead of a broken connection.
const drained = 2 << 20

// hasBody reports whether a body may come.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// readBody appends the JSON body of a request to buf and checks its form. The caller is
// known by then, and hold counts the bytes as its own. A request without a body has an
// empty one. How long it may take is the concern of the server's edge.
func readBody(r *http.Request, op *call.Operation, buf *wire.Buffer, hold *intake.Reservation) error {
	if !hasBody(r) {
		return nil
	}
	ok, err := isJSON(r.Header)
	if err != nil {
		return err
	}
	if !ok {
		return notJSON(r)
	}
	most := int64(MaxBody)
	if call.Public(op.Access) {
		most = MaxPublicBody
	}
	if buf.B, err = hold.Read(r.Context(), buf.B, r.Body, r.ContentLength, most); err != nil {
		return unread(err, most)
	}
	if err := hold.Decode(r.Context()); err != nil {
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

// unread says why a body was not read to its end.
func unread(err error, most int64) error {
	if errors.Is(err, intake.ErrTooLarge) {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The body is larger than %d bytes", most)
	}
	if _, told := call.AsError(err); told {
		return err
	}
	return call.Invalid("body: could not be read to its end")
}

// refuse answers an error to a request with a body that was not read, or not to its end.
// On HTTP/1 a bounded part of it is read first; whoever waits for leave to send it gets
// none.
func refuse(w http.ResponseWriter, r *http.Request, err error) error {
	if hasBody(r) && r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drained) // the refusal stands, whatever comes of it
	}
	return WriteError(w, r, err)
}

// notJSON refuses a body of another media type, unless it is empty: what it says would be
// dropped in silence (B2B-HTTP-002).
func notJSON(r *http.Request) error {
	if r.ContentLength < 0 {
		if n, err := io.ReadFull(r.Body, make([]byte, 1)); n == 0 && err == io.EOF {
			return nil
		}
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, "The body is not JSON by its Content-Type header, so it was not read").
		WithHint("Send JSON with the header Content-Type: application/json (curl -H 'Content-Type: application/json'), or no body.")
}

// isJSON reports whether the body is JSON, which is the only media type that is read.
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
