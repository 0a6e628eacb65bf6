package wirejson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Shape is how a message is written as wire JSON, the JSON of REST, WebSocket and webhooks. The
// options of the schema say so. It differs from ProtoJSON, which Connect uses.
type Shape struct {
	fields map[string]member
	bare   *member                      // the message is a bare array or value, of this field
	types  map[string]member            // the choices of a oneof, which share the object
	extra  protoreflect.FieldDescriptor // takes the keys that the schema does not name
}

// member is how one key of an object is read.
type member struct {
	field   protoreflect.FieldDescriptor
	inside  []protoreflect.FieldDescriptor // the messages around it that have no object of their own
	message *Shape                         // of the value, if it is a message of the schema
	enum    map[string]protoreflect.EnumNumber
	rawJSON bool
	time    bool
	none    bool // null is a value that is explicitly none; if it is absent, the key is left out
}

// Of returns the shape of a message, which is made from the schema and can be used again.
func Of(d protoreflect.MessageDescriptor) *Shape {
	return shapeOf(d, map[protoreflect.FullName]*Shape{})
}

// HasType reports whether the message is a choice between types that the shape knows.
func (s *Shape) HasType(name string) bool {
	_, known := s.types[name]
	return known
}

func shapeOf(d protoreflect.MessageDescriptor, made map[protoreflect.FullName]*Shape) *Shape {
	if s := made[d.FullName()]; s != nil {
		return s
	}
	s := &Shape{fields: map[string]member{}}
	made[d.FullName()] = s
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		wire, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
		if wire.GetHidden() || wire.GetBodyKeys() {
			continue
		}
		if wire.GetExtraKeys() {
			s.extra = f
			continue
		}
		m := memberOf(f, wire, made)
		switch oneof := f.ContainingOneof(); {
		case oneof != nil && !oneof.IsSynthetic():
			if s.types == nil {
				s.types = map[string]member{}
			}
			s.types[string(f.Name())] = m
		case wire.GetInline():
			for key, inner := range m.message.fields {
				inner.inside = append([]protoreflect.FieldDescriptor{f}, inner.inside...)
				s.fields[key] = inner
			}
		default:
			s.fields[string(f.Name())] = m
		}
	}
	about, _ := proto.GetExtension(d.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
	if about.GetList() || about.GetScalar() {
		m := s.fields[string(d.Fields().Get(0).Name())]
		s.bare = &m
	}
	return s
}

func memberOf(f protoreflect.FieldDescriptor, wire *optionsv1.Wire, made map[protoreflect.FullName]*Shape) member {
	m := member{field: f, rawJSON: wire.GetRawJson()}
	switch {
	case f.Kind() == protoreflect.EnumKind:
		m.enum = map[string]protoreflect.EnumNumber{}
		values := f.Enum().Values()
		prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
		for i := 1; i < values.Len(); i++ {
			name := strings.TrimPrefix(string(values.Get(i).Name()), prefix)
			m.enum[strings.ToLower(name)] = values.Get(i).Number()
		}
	case f.Message() == nil || f.IsMap():
	case f.Message().FullName() == (*timestamppb.Timestamp)(nil).ProtoReflect().Descriptor().FullName():
		m.time = true
	case f.Message().ParentFile().Package() == f.ParentFile().Package():
		m.message = shapeOf(f.Message(), made)
		about, _ := proto.GetExtension(f.Message().Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
		m.none = about.GetScalar() && wire.GetOmitAbsent()
	}
	return m
}

// Read reads wire JSON, which must be valid, into m. It skips keys and texts of enums that it does
// not know, which a later server may send.
func (s *Shape) Read(m protoreflect.Message, raw []byte) error {
	switch {
	case s.bare != nil:
		return s.bare.read(m, raw)
	case len(raw) == 0 || raw[0] != '{':
		return errWrongType
	}
	var inner *Shape
	var choice protoreflect.Message
	if s.types != nil {
		if chosen, known := s.types[typeOf(raw)]; known {
			inner, choice = chosen.message, m.Mutable(chosen.field).Message()
		}
	}
	var rest []byte
	for rawKey, value := range Members(raw) {
		key, _ := Unquote(rawKey)
		var err error
		if f, known := s.fields[key]; known {
			err = f.read(m, value)
		} else if f, known := inner.field(key); known {
			err = f.read(choice, value)
		} else if s.extra != nil && (key != "type" || inner == nil) {
			rest = append(append(append(append(rest, ','), rawKey...), ':'), value...)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if rest != nil {
		rest[0] = '{'
		m.Set(s.extra, protoreflect.ValueOfString(string(rest)+"}"))
	}
	return nil
}

// typeOf returns the text of the key "type".
func typeOf(raw []byte) (kind string) {
	for key, value := range Members(raw) {
		if string(key) == `"type"` {
			kind, _ = Unquote(value)
		}
	}
	return kind
}

func (s *Shape) field(key string) (f member, known bool) {
	if s != nil {
		f, known = s.fields[key]
	}
	return f, known
}

func (f *member) read(m protoreflect.Message, raw []byte) error {
	for _, around := range f.inside {
		m = m.Mutable(around).Message()
	}
	switch {
	case string(raw) == "null":
		if f.none {
			m.Mutable(f.field)
		}
		return nil
	case f.field.IsMap():
		if raw[0] != '{' {
			return errWrongType
		}
		texts := m.Mutable(f.field).Map()
		for rawKey, value := range Members(raw) {
			key, _ := Unquote(rawKey)
			text, ok := Unquote(value)
			if !ok {
				return errWrongType
			}
			texts.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(text))
		}
		return nil
	case f.field.IsList():
		if raw[0] != '[' {
			return errWrongType
		}
		list := m.Mutable(f.field).List()
		for element := range elements(raw) {
			v, err := f.value(list.NewElement, element)
			if err != nil {
				return err
			}
			list.Append(v)
		}
		return nil
	}
	v, err := f.value(func() protoreflect.Value { return m.NewField(f.field) }, raw)
	if err == nil {
		m.Set(f.field, v)
	}
	return err
}

// value reads one value; empty makes the message that it is.
func (f *member) value(empty func() protoreflect.Value, raw []byte) (v protoreflect.Value, err error) {
	switch {
	case f.message != nil:
		v = empty()
		return v, f.message.Read(v.Message(), raw)
	case f.time:
		ms, err := strconv.ParseInt(string(raw), 10, 64)
		return protoreflect.ValueOfMessage(timestamppb.New(time.UnixMilli(ms)).ProtoReflect()), err
	case f.rawJSON:
		return protoreflect.ValueOfString(string(raw)), nil
	}
	kind := f.field.Kind()
	switch kind {
	case protoreflect.StringKind, protoreflect.EnumKind:
		text, ok := Unquote(raw)
		switch {
		case !ok:
			return v, errWrongType
		case kind == protoreflect.EnumKind:
			return protoreflect.ValueOfEnum(f.enum[text]), nil
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		is, err := strconv.ParseBool(string(raw))
		return protoreflect.ValueOfBool(is), err
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(string(raw), 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), err
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return protoreflect.ValueOfInt64(n), err
	case protoreflect.DoubleKind:
		n, err := strconv.ParseFloat(string(raw), 64)
		return protoreflect.ValueOfFloat64(n), err
	}
	return v, fmt.Errorf("the schema has a %v, which wire JSON does not have", kind)
}

var errWrongType = errors.New("the value has another type than in the schema")
