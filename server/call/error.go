package call

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Error is what a caller is told when a call fails (B2B-ERR). Its text is for
// people; its code is stable. Anything that is not an *Error is an internal
// failure, and its text stays inside the server.
type Error struct {
	Code       b2bv1.ErrorCode
	Message    string
	Hint       string         // what to do
	RetryAfter int            // seconds; 0: not told
	Extras     map[string]any // further keys of the wire error; values are texts or numbers
	status     int
}

// Errorf makes an Error of a code. UNAVAILABLE says to try again after a second, which the
// caller raises where it knows better (B2B-ERR-004).
func Errorf(code b2bv1.ErrorCode, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	if code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		e.RetryAfter = 1
	}
	return e
}

// Invalid is a VALIDATION_ERROR: what was wrong and where.
func Invalid(format string, args ...any) *Error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, format, args...)
}

// NotFound is a NOT_FOUND error about a kind of thing, e.g. "thread". It never
// tells whether the thing exists elsewhere.
func NotFound(thing string) *Error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "%s not found", thing)
}

// WithStatus returns a copy with another HTTP status than the catalogue's.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.status = status
	return &c
}

// WithHint returns a copy that tells what to do.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// With returns a copy with a further key.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Extras = maps.Clone(e.Extras)
	if c.Extras == nil {
		c.Extras = make(map[string]any, 1)
	}
	c.Extras[key] = value
	return &c
}

// Error is the code and the text.
func (e *Error) Error() string { return CodeText(e.Code) + ": " + e.Message }

// Is makes errors of one code match each other.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Status is the HTTP status.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	return int(Spec(e.Code).GetHttpStatus())
}

// ConnectCode is the Connect and gRPC code.
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

// Retryable tells whether the same call can succeed later unchanged.
func (e *Error) Retryable() bool { return Spec(e.Code).GetRetryable() }

// CodeText is the stable text of a code, e.g. "THREAD_CLOSED".
func CodeText(code b2bv1.ErrorCode) string {
	return strings.TrimPrefix(code.String(), "ERROR_CODE_")
}

// Spec is the entry of a code in the schema's catalogue.
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

// outage is an error of something that the server needs and that cannot work now.
type outage interface {
	error
	// Outage answers what is wrong, what to do, and in how many seconds.
	Outage() (message, hint string, retryAfter int)
}

// AsError finds the *Error in err, or makes one: UNAVAILABLE of an outage, else an
// internal one that tells nothing. The second result tells whether err was one.
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
