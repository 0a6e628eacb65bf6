package rpc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// ToConnect converts an error to one of connect (B2B-ERR), with the code of the catalogue, the text
// and an ErrorDetail.
func ToConnect(err error) error {
	e, _ := call.AsError(err)
	out := connect.NewError(e.ConnectCode(), errors.New(e.Message))
	d, err := connect.NewErrorDetail(detail(e))
	if err != nil {
		return connect.NewError(connect.CodeInternal, fmt.Errorf("describe %s: %w", call.CodeText(e.Code), err))
	}
	out.AddDetail(d)
	if e.RetryAfter > 0 {
		out.Meta().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	return out
}

func detail(e *call.Error) *b2bv1.ErrorDetail {
	d := &b2bv1.ErrorDetail{Code: e.Code, Retryable: e.Retryable()}
	if e.Hint != "" {
		d.Hint = proto.String(strings.ToValidUTF8(e.Hint, "\ufffd"))
	}
	if e.RetryAfter > 0 {
		d.RetryAfter = proto.Int32(int32(e.RetryAfter))
	}
	if len(e.Extras) > 0 {
		d.Extras = make(map[string]string, len(e.Extras))
		for key, value := range e.Extras {
			d.Extras[key] = strings.ToValidUTF8(fmt.Sprint(value), "\ufffd")
		}
	}
	return d
}
