package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// reference writes wire JSON by the options and by reflection, to compare with the generated
// encoders. It shares no code with them.
func reference(m protoreflect.Message) string {
	opts := proto.GetExtension(m.Descriptor().Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
	fields := m.Descriptor().Fields()
	if opts.GetList() || opts.GetScalar() {
		return refField(m, fields.Get(0))
	}
	if flag := opts.GetBareUnless(); flag != "" && !m.Get(fields.ByName(protoreflect.Name(flag))).Bool() {
		for i := range fields.Len() {
			if fields.Get(i).IsList() {
				return refField(m, fields.Get(i))
			}
		}
	}
	return "{" + strings.Join(refMembers(m), ",") + "}"
}

func refMembers(m protoreflect.Message) (all []string) {
	var last []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		opts := wireOptions(f)
		oneof := f.ContainingOneof()
		switch {
		case opts.GetHidden(), opts.GetBodyKeys(), opts.GetHeader() != "", outside(f):
		case oneof != nil && !oneof.IsSynthetic():
			if m.Has(f) {
				all = append(all, refString("type")+":"+refString(string(f.Name())))
				all = append(all, refMembers(m.Get(f).Message())...)
			}
		case opts.GetExtraKeys():
			if text := strings.TrimSpace(m.Get(f).String()); len(text) > 2 {
				last = append(last, text[1:len(text)-1])
			}
		case opts.GetInline():
			if m.Has(f) {
				all = append(all, refMembers(m.Get(f).Message())...)
			}
		case opts.GetOmitAbsent() && f.HasPresence() && !m.Has(f):
		default:
			all = append(all, refString(string(f.Name()))+":"+refField(m, f))
		}
	}
	return append(all, last...)
}

func wireOptions(f protoreflect.FieldDescriptor) *optionsv1.Wire {
	return proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
}

func outside(f protoreflect.FieldDescriptor) bool {
	return f.Message() != nil && !f.IsMap() && !isTime(f) && f.Message().ParentFile().Package() != f.ParentFile().Package()
}

func isTime(f protoreflect.FieldDescriptor) bool {
	return f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp"
}

func refField(m protoreflect.Message, f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return refMap(m.Get(f).Map())
	case f.IsList():
		list := m.Get(f).List()
		var all []string
		for i := range list.Len() {
			all = append(all, refValue(f, list.Get(i)))
		}
		return "[" + strings.Join(all, ",") + "]"
	case f.HasPresence() && !m.Has(f):
		return "null"
	}
	return refValue(f, m.Get(f))
}

func refMap(texts protoreflect.Map) string {
	var keys, all []string
	texts.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k.String())
		return true
	})
	slices.Sort(keys)
	for _, k := range keys {
		all = append(all, refString(k)+":"+refString(texts.Get(protoreflect.ValueOfString(k).MapKey()).String()))
	}
	return "{" + strings.Join(all, ",") + "}"
}

func refValue(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.StringKind:
		if wireOptions(f).GetRawJson() {
			if v.String() == "" {
				return "null"
			}
			return v.String()
		}
		return refString(v.String())
	case protoreflect.DoubleKind:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return "null"
		}
		text, _ := json.Marshal(v.Float())
		return string(text)
	case protoreflect.EnumKind:
		value := f.Enum().Values().ByNumber(v.Enum())
		if value == nil || v.Enum() == 0 {
			return "null"
		}
		name := strings.TrimPrefix(string(value.Name()), upperSnake(string(f.Enum().Name()))+"_")
		if f.Enum().Name() != "ErrorCode" {
			name = strings.ToLower(name)
		}
		return refString(name)
	case protoreflect.MessageKind:
		if isTime(f) {
			t := v.Message().Interface().(*timestamppb.Timestamp)
			return fmt.Sprint(t.AsTime().UnixMilli())
		}
		return reference(v.Message())
	}
	return fmt.Sprint(v.Interface())
}

// upperSnake turns JoinThreadStatus into JOIN_THREAD_STATUS.
func upperSnake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func refString(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestReferenceFollowsTheOptions(t *testing.T) {
	t.Parallel()
	if got := upperSnake("JoinThreadStatus"); got != "JOIN_THREAD_STATUS" {
		t.Error(got)
	}
}
