// Package catalogue has what the schema states about the codes of errors.
package catalogue

import (
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func specOf(code b2bv1.ErrorCode) *optionsv1.ErrorSpec {
	value := code.Descriptor().Values().ByNumber(code.Number())
	if value == nil {
		return nil
	}
	spec, _ := proto.GetExtension(value.Options(), optionsv1.E_Error).(*optionsv1.ErrorSpec)
	return spec
}

// HTTPStatus returns the status of a code; 0 for a code of a later server.
func HTTPStatus(code b2bv1.ErrorCode) int { return int(specOf(code).GetHttpStatus()) }

// Retryable reports whether a call that failed with a code can succeed later without being changed;
// false for a code of a later server.
func Retryable(code b2bv1.ErrorCode) bool { return specOf(code).GetRetryable() }

// ConnectCode returns the code of Connect for a code.
func ConnectCode(code b2bv1.ErrorCode) connect.Code {
	var c connect.Code
	if c.UnmarshalText([]byte(specOf(code).GetConnectCode())) != nil {
		return connect.CodeUnknown
	}
	return c
}

// Error returns an error of the server over Connect, with a text for people.
func Error(text string, detail *b2bv1.ErrorDetail) *connect.Error {
	err := connect.NewError(ConnectCode(detail.GetCode()), errors.New(text))
	if d, failed := connect.NewErrorDetail(detail); failed == nil {
		err.AddDetail(d)
	}
	return err
}
