package wireschema

import (
	"slices"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// A Direction says whether a server writes or reads the JSON: absent values and free-form JSON
// have different rules in responses and requests.
type Direction int

const (
	Responses Direction = iota
	Requests
)

// MayBeNull reports whether an absent value is written, or accepted, as null. In responses, only
// message fields with the keyword optional can be absent, although proto3 itself gives every
// message field presence.
func MayBeNull(f *protogen.Field, to Direction) bool {
	options := WireOptions(f)
	if to == Requests {
		return f.Desc.HasPresence() && !options.GetNotNull() && !options.GetNeeded()
	}
	return f.Desc.HasOptionalKeyword() && !options.GetOmitAbsent()
}

// FlatOneof returns the oneof of a message, or nil.
func FlatOneof(m *protogen.Message) *protogen.Oneof {
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			return o
		}
	}
	return nil
}

// KeepsExtra reports whether m keeps the keys that the schema does not name.
func KeepsExtra(m *protogen.Message) bool {
	return slices.ContainsFunc(m.Fields, func(f *protogen.Field) bool { return WireOptions(f).GetExtraKeys() })
}

// Unwritten reports whether a field never appears in wire JSON.
func Unwritten(f *protogen.Field) bool {
	options := WireOptions(f)
	return options.GetHidden() || options.GetBodyKeys() || options.GetHeader() != "" || Foreign(f)
}

// Foreign reports whether a field holds a message that has no form as wire JSON.
func Foreign(f *protogen.Field) bool {
	return f.Message != nil && !f.Desc.IsMap() && f.Message.Desc.ParentFile().Package() != Package && !Is(f, Timestamp)
}

// Is reports whether f holds the message with a name.
func Is(f *protogen.Field, name protoreflect.FullName) bool {
	return f.Message != nil && f.Message.Desc.FullName() == name
}

// Delivered reports whether clients can receive an event, a choice of Event: the option told names
// scopes.
func Delivered(f *protogen.Field) bool {
	told, _ := proto.GetExtension(f.Desc.Options(), optionsv1.E_Told).(*optionsv1.Told)
	return len(told.GetScopes()) > 0
}

// IfNamed reports whether clients receive an event, a choice of Event, only if they name its type.
func IfNamed(f *protogen.Field) bool {
	told, _ := proto.GetExtension(f.Desc.Options(), optionsv1.E_Told).(*optionsv1.Told)
	return told.GetIfNamed()
}

// Textual reports whether a plain string can represent a value of the field.
func Textual(f *protogen.Field) bool {
	options := WireOptions(f)
	if options.GetHidden() || options.GetBodyKeys() || options.GetRawJson() || options.GetAnyToText() {
		return false
	}
	switch f.Desc.Kind() {
	case protoreflect.StringKind:
		return true
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.EnumKind:
		return !f.Desc.IsList()
	}
	return Is(f, Timestamp)
}
