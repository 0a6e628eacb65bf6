package service

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// stamp converts Unix milliseconds to a Timestamp.
func stamp(ms int64) *timestamppb.Timestamp {
	return &timestamppb.Timestamp{Seconds: ms / 1000, Nanos: int32(ms%1000) * int32(time.Millisecond)}
}

// stampOf is stamp for times that may be absent.
func stampOf(ms *int64) *timestamppb.Timestamp {
	if ms == nil {
		return nil
	}
	return stamp(*ms)
}

// millis converts a Timestamp to Unix milliseconds.
func millis(t *timestamppb.Timestamp) int64 {
	return t.GetSeconds()*1000 + int64(t.GetNanos())/int64(time.Millisecond)
}

// enumOf returns the value of an enum by its stored text, e.g. "active" in ThreadStatus_value with
// the prefix "THREAD_STATUS_". It returns the zero value for an unknown text.
func enumOf[E ~int32](values map[string]int32, prefix, text string) E {
	return E(values[prefix+strings.ToUpper(text)])
}

// textOf returns the stored text of an enum value: its name in lower case, without the prefix.
func textOf(e fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(e.String(), prefix))
}

// ruleError converts an error of the packages of rules to a *call.Error.
func ruleError(err error) error {
	var v *limits.Violation
	switch {
	case errors.Is(err, limits.ErrReservedName):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RESERVED_NAME, "This name is reserved")
	case errors.As(err, &v):
		return call.Invalid("%s", v.Error())
	}
	return err
}

// notFound converts store.ErrNotFound to a NOT_FOUND error about a kind of object.
func notFound(err error, thing string) error {
	if errors.Is(err, store.ErrNotFound) {
		return call.NotFound(thing)
	}
	return err
}
