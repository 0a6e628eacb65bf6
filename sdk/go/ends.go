package b2b

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// action is what a listener does after a connection ended or was refused (B2B-SDK-020).
type action string

const (
	stop      action = "stop"
	reconnect action = "reconnect"
	backOff   action = "backoff"
	wait      action = "wait"
	resync    action = "resync"
)

// closeRow is what a listener does after one close frame. The first row that fits counts.
type closeRow struct {
	code   int
	reason string // empty: any that has no row
	action action
	error  string // with which a listener stops
}

// closeRows is sdk/testdata/closes.json, without the rows that a row for any reason covers.
var closeRows = []closeRow{
	{4001, "Invalid token", stop, "INVALID_TOKEN"},
	{4001, "Token expired", stop, "TOKEN_EXPIRED"},
	{4001, "Invalid ticket", stop, "SESSION_INVALID"},
	{4001, "", backOff, ""},
	{4002, "Token revoked", stop, "INVALID_TOKEN"},
	{4002, "Token regenerated", stop, "INVALID_TOKEN"},
	{4002, "", stop, "AUTH_REQUIRED"},
	{4003, "", stop, "ORG_MISMATCH"},
	{4008, "", reconnect, ""},
	{4009, "VALIDATION_ERROR", stop, "VALIDATION_ERROR"},
	{4009, "", resync, ""},
	{4010, "", wait, ""},
	{4100, "", wait, ""},
	{4101, "", stop, "ORG_DESTROYED"},
	{4403, "bot_pending_approval", wait, ""},
	{4403, "bot_rejected", stop, "BOT_NOT_ACTIVE"},
	{4403, "", backOff, ""},
}

// ofClose returns what to do after a close frame, and the code of the error if that is to stop.
func ofClose(code int, reason string) (action, string) {
	i := slices.IndexFunc(closeRows, func(r closeRow) bool {
		return r.code == code && (r.reason == reason || r.reason == "")
	})
	if i < 0 {
		return backOff, ""
	}
	return closeRows[i].action, closeRows[i].error
}

// ofError returns what to do after an error of a call that opens a connection, or of a stream that
// had begun.
func ofError(err error, begun bool) action {
	detail := DetailOf(err)
	var failed *connect.Error
	switch code := detail.GetCode(); code {
	case b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN:
		if begun { // for one of several reasons, which the next attempt shows
			return backOff
		}
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		if detail.GetExtras()["join_status"] == "pending" {
			return wait
		}
	case b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, b2bv1.ErrorCode_ERROR_CODE_ORG_INACTIVE,
		b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS:
		return wait
	case b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED:
		return resync
	}
	switch {
	case errors.As(err, new(*ConfigError)):
		return stop
	case detail != nil:
		if status := catalogue.HTTPStatus(detail.GetCode()); status >= 500 || status == 0 {
			return backOff
		}
		return stop
	case errors.As(err, &failed): // of a proxy
		switch failed.Code() {
		case connect.CodeUnauthenticated, connect.CodePermissionDenied:
			return stop
		}
	}
	return backOff
}

// end is the end of a connection, or the refusal of one.
type end struct {
	action action
	err    error
	pause  time.Duration // what the server asks for; 0: nothing
}

// Error implements error.
func (e *end) Error() string { return e.err.Error() }

// Unwrap returns what happened.
func (e *end) Unwrap() error { return e.err }

// endOf returns the end for an error that is not one yet.
func endOf(err error, begun bool) *end {
	var e *end
	if errors.As(err, &e) {
		return e
	}
	return &end{action: ofError(err, begun), err: err, pause: time.Duration(DetailOf(err).GetRetryAfter()) * time.Second}
}

// codeNamed returns the code of the catalogue with a name such as NOT_FOUND.
func codeNamed(name string) b2bv1.ErrorCode {
	return b2bv1.ErrorCode(b2bv1.ErrorCode_value["ERROR_CODE_"+name])
}

// parseError reads the JSON of an error (B2B-ERR-001); nil: it is none.
func parseError(data []byte) error {
	var wire struct {
		Error      string
		Code       string
		Hint       *string
		RetryAfter *int32 `json:"retry_after"`
		JoinStatus string `json:"join_status"`
	}
	if json.Unmarshal(data, &wire) != nil || wire.Code == "" {
		return nil
	}
	detail := &b2bv1.ErrorDetail{Code: codeNamed(wire.Code), Hint: wire.Hint, RetryAfter: wire.RetryAfter}
	if wire.JoinStatus != "" {
		detail.Extras = map[string]string{"join_status": wire.JoinStatus}
	}
	return catalogue.Error(strings.TrimSpace(wire.Error+" ("+wire.Code+")"), detail)
}

// cause returns why a context that a listener ended has ended: the watchdog, or the user.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}
