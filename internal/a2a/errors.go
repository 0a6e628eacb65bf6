package a2a

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"github.com/a2aproject/a2a-go/v2/a2a"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// invalid returns the error of a request that cannot be served as it is.
func invalid(format string, args ...any) error {
	return a2a.NewError(a2a.ErrInvalidParams, fmt.Sprintf(format, args...))
}

// errNotFound returns the error for a task that is not there, or not for this client.
func errNotFound(id a2a.TaskID) error {
	return a2a.NewError(a2a.ErrTaskNotFound, fmt.Sprintf("this agent has no task %.64q of yours", string(id)))
}

// errorOf returns the error of A2A for one of a call: with its stable code, and what to do.
func errorOf(err error) error {
	if err == nil {
		return nil
	}
	var known *a2a.Error
	if errors.As(err, &known) {
		return err
	}
	detail := b2b.DetailOf(err)
	if detail == nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return a2a.NewError(a2a.ErrInternalError, "the server could not serve the request")
	}
	var wire *connect.Error
	errors.As(err, &wire)
	code := strings.TrimPrefix(detail.GetCode().String(), "ERROR_CODE_")
	text, meta := code+": "+wire.Message(), map[string]string{"code": code}
	if detail.GetHint() != "" {
		text += ". " + detail.GetHint()
	}
	if after := detail.GetRetryAfter(); after > 0 {
		meta["retry_after"] = fmt.Sprint(after)
		text += fmt.Sprintf(" (retry after %d s)", after)
	}
	return &refusal{a2a.NewError(kindOf(detail.GetCode()), text).WithErrorInfoMeta(meta), detail.GetCode(), detail.GetRetryAfter()}
}

// refusal is the error of a call of the server.
type refusal struct {
	of    *a2a.Error
	code  b2bv1.ErrorCode
	after int32 // seconds until it may succeed; 0: unknown
}

// Error implements error.
func (r *refusal) Error() string { return r.of.Error() }

// Unwrap returns the error of A2A.
func (r *refusal) Unwrap() error { return r.of }

// status returns the status of HTTP for a refusal that passes; 0: that of the error of A2A.
func (r *refusal) status() int {
	switch r.code {
	case b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT,
		b2bv1.ErrorCode_ERROR_CODE_BUDGET_EXCEEDED, b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED:
		return http.StatusTooManyRequests
	case b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE:
		return http.StatusServiceUnavailable
	}
	return 0
}

// refusedForGood reports whether the same message would be refused again.
func refusedForGood(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return errors.Is(err, a2a.ErrInvalidParams)
	}
	switch r.code {
	case b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, b2bv1.ErrorCode_ERROR_CODE_FILE_TOO_LARGE,
		b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR:
		return true
	}
	return false
}

// kindOf returns the error of A2A that is nearest to a code.
func kindOf(code b2bv1.ErrorCode) error {
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE,
		b2bv1.ErrorCode_ERROR_CODE_FILE_TOO_LARGE, b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED,
		b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return a2a.ErrInvalidParams
	case b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:
		return a2a.ErrUnauthenticated
	case b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE, b2bv1.ErrorCode_ERROR_CODE_WRITE_PERMISSION_DENIED,
		b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED:
		return a2a.ErrUnauthorized
	case b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE:
		return a2a.ErrUnsupportedContentType
	case b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND:
		return a2a.ErrTaskNotFound
	case b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN, b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL:
		return a2a.ErrUnsupportedOperation
	}
	return a2a.ErrServerError
}
