package main

import (
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

const timestamp = "google.protobuf.Timestamp"

// fieldOptions returns the wire-JSON options of a field; unset ones are zero.
func fieldOptions(f *protogen.Field) *optionsv1.Wire {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
}

// messageOptions returns the wire-JSON options of a message; unset ones are zero.
func messageOptions(m *protogen.Message) *optionsv1.WireMessage {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
}

// unwritten reports whether a field is not part of wire JSON: it is hidden, not from the body, or
// written by the binding.
func unwritten(f *protogen.Field) bool {
	opts := fieldOptions(f)
	return opts.GetHidden() || opts.GetBodyKeys() || opts.GetHeader() != "" || foreign(f)
}

// foreign reports whether a field holds a message of another schema without a wire-JSON form: a
// field mask or a whole HTTP body.
func foreign(f *protogen.Field) bool {
	return f.Message != nil && !f.Desc.IsMap() && f.Message.Desc.ParentFile().Package() != schema && !is(f, timestamp)
}

func is(f *protogen.Field, name protoreflect.FullName) bool {
	return f.Message != nil && f.Message.Desc.FullName() == name
}

// flatOneof returns the oneof of a message that consists of it, or nil.
func flatOneof(m *protogen.Message) *protogen.Oneof {
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			return o
		}
	}
	return nil
}

// enumText returns the text of an enum value: its name without the prefix of the enum, in lower
// case except for error codes; "" for the unspecified value.
func enumText(enum *protogen.Enum, v *protogen.EnumValue) string {
	prefix := strings.TrimSuffix(string(enum.Values[0].Desc.Name()), "UNSPECIFIED")
	if v.Desc.Number() == 0 {
		return ""
	}
	text := strings.TrimPrefix(string(v.Desc.Name()), prefix)
	if enum.Desc.Name() == "ErrorCode" {
		return text
	}
	return strings.ToLower(text)
}
