package rpc

import (
	"errors"
	"fmt"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// codecs replaces connect's codecs, for JSON under both of its names.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(protoBinary{}),
		connect.WithCodec(strictJSON{"json"}),
		connect.WithCodec(strictJSON{"json; charset=utf-8"}),
	)
}

// strictJSON is the codec for Connect's JSON, and rejects what is not in the schema. connect's own
// codec drops unknown fields and unknown enum values: a misspelt filter would have no effect.
type strictJSON struct{ name string }

// Name returns the subtype of the media type.
func (c strictJSON) Name() string { return c.name }

// Marshal encodes a message.
func (c strictJSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend encodes a message and appends it to dst.
func (c strictJSON) MarshalAppend(dst []byte, message any) ([]byte, error) {
	if p, ok := message.(*call.Pushed); ok {
		return appendPushed(dst, p, call.EncodingProtoJSON, func(m proto.Message) ([]byte, error) { return c.Marshal(m) })
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a message", message)
	}
	// JSON is larger than the binary encoding. A large response would otherwise be copied to larger
	// memory several times, and leave three times its size in garbage.
	if size := proto.Size(m); size > knownSize {
		dst = slices.Grow(dst, size+size/16+knownSize)
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

// knownSize is the size in the binary encoding, in bytes, from which memory is allocated for all of
// the JSON at once.
const knownSize = 64 << 10

// Unmarshal decodes a message.
func (c strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a message", message)
	}
	if len(data) == 0 {
		return errors.New("an empty body is not a JSON object")
	}
	return protojson.UnmarshalOptions{}.Unmarshal(data, m)
}

// protoBinary is the codec for the binary encoding, which gRPC uses, too.
type protoBinary struct{}

// Name returns the subtype of the media type.
func (protoBinary) Name() string { return "proto" }

// Marshal encodes a message.
func (c protoBinary) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend encodes a message and appends it to dst.
func (protoBinary) MarshalAppend(dst []byte, message any) ([]byte, error) {
	switch m := message.(type) {
	case *call.Pushed:
		return appendPushed(dst, m, call.EncodingProto, proto.Marshal)
	case proto.Message:
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}
	return nil, fmt.Errorf("%T is not a message", message)
}

// Unmarshal decodes a message.
func (protoBinary) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a message", message)
	}
	return proto.Unmarshal(data, m)
}

// appendPushed appends an event as an item of EventService.Subscribe. The encoding is made once for
// all readers, and copied here because connect reuses its buffers.
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
