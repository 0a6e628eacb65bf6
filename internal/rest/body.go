package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// MaxBody is the size of the largest JSON body: 1 MiB (B2B-HTTP-004).
const MaxBody = 1 << 20

// MaxPublicBody is the size of the largest body of a public operation (B2B-LIM-030).
const MaxPublicBody = 256 << 10

// drained is how much of a refused body is read nevertheless. A client that writes its whole
// request before it reads then gets the response instead of a broken connection.
const drained = 2 << 20

// hasBody reports whether the request may have a body.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// readBody appends the JSON body of a request to buf and checks that it is well formed. The caller
// must be known; its bytes count against reservation. buf stays empty if there is no body. Package edge
// limits the time.
func readBody(r *http.Request, op *call.Operation, buf *wire.Buffer, reservation *intake.Reservation) error {
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
	if buf.B, err = reservation.Read(r.Context(), buf.B, r.Body, r.ContentLength, most); err != nil {
		return unread(err, most)
	}
	if err := reservation.Decode(r.Context()); err != nil {
		return err
	}
	buf.B = bytes.TrimPrefix(buf.B, []byte("\xef\xbb\xbf")) // some editors write a byte order mark
	if len(buf.B) == 0 {
		return nil
	}
	if err := wire.CheckBody(buf.B); err != nil {
		return invalid(err)
	}
	return nil
}

// unread returns the error for a body that was not read to its end.
func unread(err error, most int64) error {
	if errors.Is(err, intake.ErrTooLarge) {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The body is larger than %d bytes", most)
	}
	if _, ok := call.AsError(err); ok {
		return err
	}
	return call.Invalid("body: could not be read to its end")
}

// refuse writes an error response to a request with an unread body. On HTTP/1 it reads a limited
// part of the body first, except if the client waits for 100 Continue.
func refuse(w http.ResponseWriter, r *http.Request, err error) error {
	if hasBody(r) && r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drained) // the request is refused in any case
	}
	return WriteError(w, r, err)
}

// notJSON returns the error for a non-empty body of another media type, which would otherwise be
// ignored silently (B2B-HTTP-002).
func notJSON(r *http.Request) error {
	if r.ContentLength < 0 {
		if n, err := io.ReadFull(r.Body, make([]byte, 1)); n == 0 && err == io.EOF {
			return nil
		}
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, "The Content-Type header does not say that the body is JSON, so it was not read").
		WithHint("Send JSON with the header Content-Type: application/json (curl -H 'Content-Type: application/json'), or no body.")
}

// isJSON reports whether the body is JSON, the only media type that is read.
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

// invalid converts an error that the decoder found in the input to a VALIDATION_ERROR. Other errors
// of the decoder are faults of the server and are returned unchanged.
func invalid(err error) error {
	var fault *wire.FieldError
	if errors.As(err, &fault) {
		return call.Invalid("%s", fault.Error())
	}
	return err
}
