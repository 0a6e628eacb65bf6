package wirejson

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Append appends a message to b as wire JSON. It is for tests and small programs: the server has a
// faster way.
func Append(b []byte, message proto.Message) ([]byte, error) {
	return appendMessage(b, message.ProtoReflect())
}

func appendMessage(b []byte, m protoreflect.Message) ([]byte, error) {
	about, _ := proto.GetExtension(m.Descriptor().Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
	if about.GetList() || about.GetScalar() || about.GetBareUnless() != "" && !m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(about.GetBareUnless()))).Bool() {
		return appendField(b, m, m.Descriptor().Fields().Get(0))
	}
	b, err := appendMembers(append(b, '{'), m)
	if err != nil {
		return nil, err
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}'), nil
}

// appendMembers appends the members of an object, each followed by a comma.
func appendMembers(b []byte, m protoreflect.Message) (_ []byte, err error) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		wire, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
		oneof := f.ContainingOneof()
		choice := oneof != nil && !oneof.IsSynthetic()
		switch {
		case wire.GetHidden(), wire.GetBodyKeys(), !m.Has(f) && (wire.GetOmitAbsent() || choice || wire.GetInline() || wire.GetExtraKeys()):
			continue
		case wire.GetExtraKeys():
			if inside := strings.TrimSpace(m.Get(f).String()); len(inside) > len("{}") {
				b = append(append(b, inside[1:len(inside)-1]...), ',')
			}
			continue
		case choice:
			b = append(fmt.Appendf(b, `"type":%q`, f.Name()), ',')
			b, err = appendMembers(b, m.Get(f).Message())
		case wire.GetInline():
			b, err = appendMembers(b, m.Get(f).Message())
		default:
			b, err = appendField(fmt.Appendf(b, "%q:", f.Name()), m, f)
			b = append(b, ',')
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return b, nil
}

func appendField(b []byte, m protoreflect.Message, f protoreflect.FieldDescriptor) (_ []byte, err error) {
	switch {
	case f.IsMap():
		texts := map[string]string{}
		m.Get(f).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			texts[k.String()] = v.String()
			return true
		})
		return appendJSON(b, texts)
	case f.IsList():
		list := m.Get(f).List()
		b = append(b, '[')
		for i := range list.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendValue(b, list.Get(i), f); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case f.HasPresence() && !m.Has(f):
		return append(b, "null"...), nil
	}
	return appendValue(b, m.Get(f), f)
}

func appendValue(b []byte, v protoreflect.Value, f protoreflect.FieldDescriptor) ([]byte, error) {
	wire, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
	switch f.Kind() {
	case protoreflect.MessageKind:
		if at, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return fmt.Append(b, at.AsTime().UnixMilli()), nil
		}
		return appendMessage(b, v.Message())
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		known := values.ByNumber(v.Enum())
		if known == nil || v.Enum() == 0 {
			return append(b, "null"...), nil
		}
		prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
		return fmt.Appendf(b, "%q", strings.ToLower(strings.TrimPrefix(string(known.Name()), prefix))), nil
	case protoreflect.StringKind:
		if wire.GetRawJson() {
			return append(b, v.String()...), nil
		}
	}
	return appendJSON(b, v.Interface())
}

func appendJSON(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}
