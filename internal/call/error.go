package call

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Error is the error of a call that the client receives (B2B-ERR). Its text is for people; its
// code is stable. Any other error is an internal failure, and its text does not leave the
// server.
type Error struct {
	Code       b2bv1.ErrorCode
	Message    string
	Hint       string         // what to do
	RetryAfter int            // seconds; 0: not sent
	Extras     map[string]any // further keys of the wire error; the values are strings or numbers
	status     int
}

// Errorf returns an Error with a code. UNAVAILABLE gets a RetryAfter of one second, which the
// caller may raise (B2B-ERR-004).
func Errorf(code b2bv1.ErrorCode, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	if code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		e.RetryAfter = 1
	}
	return e
}

// Invalid returns a VALIDATION_ERROR. Its text names the field and what is wrong with it.
func Invalid(format string, args ...any) *Error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, format, args...)
}

// NotFound returns a NOT_FOUND error for a kind of object, e.g. "thread". It does not reveal
// whether the object exists in another org.
func NotFound(thing string) *Error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "%s not found", thing)
}

// WithStatus returns a copy with an HTTP status other than the catalogue's.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.status = status
	return &c
}

// WithHint returns a copy with a hint: what the caller can do.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// With returns a copy with a further key of the wire error.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Extras = maps.Clone(e.Extras)
	if c.Extras == nil {
		c.Extras = make(map[string]any, 1)
	}
	c.Extras[key] = value
	return &c
}

// Error returns the code and the text.
func (e *Error) Error() string { return CodeText(e.Code) + ": " + e.Message }

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Status returns the HTTP status.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	return int(Spec(e.Code).GetHttpStatus())
}

// ConnectCode returns the Connect and gRPC code.
func (e *Error) ConnectCode() connect.Code {
	if e.status == 400 {
		return connect.CodeInvalidArgument
	}
	var code connect.Code
	if err := code.UnmarshalText([]byte(Spec(e.Code).GetConnectCode())); err != nil {
		return connect.CodeInternal
	}
	return code
}

// Retryable reports whether the same call can succeed later without a change.
func (e *Error) Retryable() bool { return Spec(e.Code).GetRetryable() }

// CodeText returns the stable text of a code, e.g. "THREAD_CLOSED".
func CodeText(code b2bv1.ErrorCode) string {
	return strings.TrimPrefix(code.String(), "ERROR_CODE_")
}

// Spec returns the entry of a code in the schema's catalogue.
func Spec(code b2bv1.ErrorCode) *optionsv1.ErrorSpec { return catalogue()[code] }

var catalogue = sync.OnceValue(func() map[b2bv1.ErrorCode]*optionsv1.ErrorSpec {
	values := b2bv1.ErrorCode(0).Descriptor().Values()
	specs := make(map[b2bv1.ErrorCode]*optionsv1.ErrorSpec, values.Len())
	for i := range values.Len() {
		v := values.Get(i)
		opts, _ := v.Options().(*descriptorpb.EnumValueOptions)
		spec, _ := proto.GetExtension(opts, optionsv1.E_Error).(*optionsv1.ErrorSpec)
		specs[b2bv1.ErrorCode(v.Number())] = spec
	}
	return specs
})

// HasCode reports whether an error is an *Error with one of these codes.
func HasCode(err error, codes ...b2bv1.ErrorCode) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// outage is the error of something that the server depends on and that is unavailable now.
type outage interface {
	error
	// Outage returns what is wrong, what to do, and after how many seconds to try again.
	Outage() (message, hint string, retryAfter int)
}

// AsError returns the *Error in err and true, or else false and a new one: UNAVAILABLE for an
// outage, and for any other error INTERNAL_ERROR without details.
func AsError(err error) (*Error, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e, true
	}
	var o outage
	if errors.As(err, &o) {
		message, hint, after := o.Outage()
		e := Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "%s", message).WithHint(hint)
		e.RetryAfter = after
		return e, false
	}
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "Internal server error"), false
}
