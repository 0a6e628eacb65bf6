package rpc

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
)

// codecs replaces connect's codecs, JSON under both of its names.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(protoBinary{}),
		connect.WithCodec(strictJSON{"json"}),
		connect.WithCodec(strictJSON{"json; charset=utf-8"}),
	)
}

// strictJSON reads Connect's JSON and refuses what the schema does not have.
// connect's own codec drops unknown fields, and with them unknown enum texts: a
// misspelt filter would be answered as if there were none.
type strictJSON struct{ name string }

// Name is the subtype of the media type.
func (c strictJSON) Name() string { return c.name }

// Marshal writes a message.
func (c strictJSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend writes a message behind dst.
func (c strictJSON) MarshalAppend(dst []byte, message any) ([]byte, error) {
	if p, ok := message.(*call.Pushed); ok {
		return appendPushed(dst, p, call.EncodingProtoJSON, func(m proto.Message) ([]byte, error) { return c.Marshal(m) })
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

// Unmarshal reads a message.
func (c strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", message)
	}
	if len(data) == 0 {
		return errors.New("an empty body is no JSON object")
	}
	return protojson.UnmarshalOptions{}.Unmarshal(data, m)
}

// protoBinary reads and writes the binary encoding, which is that of gRPC, too.
type protoBinary struct{}

// Name is the subtype of the media type.
func (protoBinary) Name() string { return "proto" }

// Marshal writes a message.
func (c protoBinary) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend writes a message behind dst.
func (protoBinary) MarshalAppend(dst []byte, message any) ([]byte, error) {
	switch m := message.(type) {
	case *call.Pushed:
		return appendPushed(dst, m, call.EncodingProto, proto.Marshal)
	case proto.Message:
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}
	return nil, fmt.Errorf("%T is no message", message)
}

// Unmarshal reads a message.
func (protoBinary) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", message)
	}
	return proto.Unmarshal(data, m)
}

// appendPushed writes an event as an item of EventService.Subscribe. It is encoded once
// for all its readers: here it is copied, since connect uses its buffers again.
func appendPushed(dst []byte, p *call.Pushed, encoding call.Encoding, encode func(proto.Message) ([]byte, error)) ([]byte, error) {
	b, err := p.Encodings.Get(encoding, func() ([]byte, error) {
		res := &b2bv1.SubscribeResponse{Event: p.Event}
		if p.Cursor != "" {
			res.Cursor = &p.Cursor
		}
		return encode(res)
	})
	return append(dst, b...), err
}
