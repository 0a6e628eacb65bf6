package main

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/build/wireschema"
)

func writeEnum(e *emitter, enum *protogen.Enum) {
	name := enum.GoIdent.GoName
	e.P()
	e.P("func text", name, "(v ", enum.GoIdent, ") string {")
	e.P("switch v {")
	for _, v := range enum.Values {
		if text := wireschema.EnumText(enum, v); text != "" {
			e.P("case ", v.GoIdent, ":")
			e.P("return \"", text, "\"")
		}
	}
	e.P("}")
	e.P("return \"\"")
	e.P("}")
	e.P()
	e.P("func append", name, "(b []byte, v ", enum.GoIdent, ") []byte { return appendText(b, text", name, "(v)) }")
}

func writeMessage(e *emitter, m *protogen.Message) error {
	name, opts := m.GoIdent.GoName, wireschema.MessageOptions(m)
	e.P()
	e.P("// Append", name, " appends m as wire JSON, null for nil.")
	e.P("func Append", name, "(b []byte, m *", m.GoIdent, ") []byte {")
	e.P("if m == nil {")
	e.P("return append(b, \"null\"...)")
	e.P("}")
	if opts.GetList() || opts.GetScalar() {
		value, err := appended(e, m.Fields[0], "m."+m.Fields[0].GoName)
		if err != nil {
			return err
		}
		e.P("return ", value)
		e.P("}")
		return nil
	}
	if opts.GetBareUnless() != "" {
		if err := writeBare(e, m, opts.GetBareUnless()); err != nil {
			return err
		}
	}
	e.P("return closeObject(members", name, "(append(b, '{'), m))")
	e.P("}")
	return writeMembers(e, m)
}

// writeBare writes the early return for a message that is a bare array while the field named flag
// is false.
func writeBare(e *emitter, m *protogen.Message, flag string) error {
	var list, unless *protogen.Field
	for _, f := range m.Fields {
		if list == nil && f.Desc.IsList() {
			list = f
		}
		if string(f.Desc.Name()) == flag {
			unless = f
		}
	}
	if list == nil || unless == nil {
		return fmt.Errorf("%s: bare_unless needs a repeated field and the field %q", m.Desc.FullName(), flag)
	}
	value, err := appended(e, list, "m."+list.GoName)
	if err != nil {
		return err
	}
	e.P("if !m.", unless.GoName, " {")
	e.P("return ", value)
	e.P("}")
	return nil
}

// writeMembers writes the function that appends the members of a message, each followed by a comma,
// in the order of the schema.
func writeMembers(e *emitter, m *protogen.Message) error {
	e.P()
	e.P("func members", m.GoIdent.GoName, "(b []byte, m *", m.GoIdent, ") []byte {")
	if len(m.Fields) == 0 {
		e.P("return b")
		e.P("}")
		return nil
	}
	e.P("if m == nil {")
	e.P("return b")
	e.P("}")
	oneof := wireschema.FlatOneof(m)
	for _, f := range m.Fields {
		if oneof != nil && f == oneof.Fields[0] {
			writeOneof(e, oneof)
		}
		if f.Oneof != nil && f.Oneof == oneof || wireschema.Unwritten(f) || wireschema.WireOptions(f).GetExtraKeys() {
			continue
		}
		if err := writeMember(e, f); err != nil {
			return err
		}
	}
	for _, f := range m.Fields {
		if wireschema.WireOptions(f).GetExtraKeys() {
			e.code("b = appendExtra(b, m.Get", f.GoName, "())")
		}
	}
	e.code("return b")
	e.P("}")
	return nil
}

func writeOneof(e *emitter, oneof *protogen.Oneof) {
	e.code("switch v := m.", oneof.GoName, ".(type) {")
	for _, f := range oneof.Fields {
		e.code("case *", f.GoIdent, ":")
		e.text(`"type":"` + string(f.Desc.Name()) + `",`)
		e.code("b = members", f.Message.GoIdent.GoName, "(b, v.", f.GoName, ")")
	}
	e.code("}")
}

func writeMember(e *emitter, f *protogen.Field) error {
	field, opts := "m."+f.GoName, wireschema.WireOptions(f)
	if opts.GetInline() {
		e.code("b = members", f.Message.GoIdent.GoName, "(b, ", field, ")")
		return nil
	}
	value, err := appended(e, f, field)
	if err != nil {
		return err
	}
	omitted := opts.GetOmitAbsent() && f.Desc.HasPresence()
	if omitted {
		e.code("if ", field, " != nil {")
	}
	e.text(`"` + string(f.Desc.Name()) + `":`)
	e.code("b = ", value)
	e.text(",")
	if omitted {
		e.code("}")
	}
	return nil
}

// appended returns a Go expression that appends the field in the expression value to b; an absent
// field is appended as null.
func appended(e *emitter, f *protogen.Field, value string) (string, error) {
	switch {
	case f.Desc.IsMap():
		if f.Desc.MapKey().Kind() != protoreflect.StringKind || f.Desc.MapValue().Kind() != protoreflect.StringKind {
			return "", fmt.Errorf("%s: only maps of text to text have a form as wire JSON", f.Desc.FullName())
		}
		return "appendStringMap(b, " + value + ")", nil
	case f.Desc.IsList():
		each, err := element(f)
		return "appendArray(b, " + value + ", " + each + ")", err
	case f.Enum != nil && f.Desc.HasPresence():
		return "append" + f.Enum.GoIdent.GoName + "(b, orZero(" + value + "))", nil
	case f.Message != nil || f.Enum != nil:
		each, err := element(f)
		return each + "(b, " + value + ")", err
	}
	optional := f.Desc.HasPresence()
	raw := wireschema.WireOptions(f).GetRawJson()
	switch kind := f.Desc.Kind(); {
	case kind == protoreflect.StringKind && raw && optional:
		return "appendRaw(b, orZero(" + value + "))", nil
	case kind == protoreflect.StringKind && !raw && optional:
		return "appendOptional(b, " + value + ", AppendString)", nil
	case kind == protoreflect.StringKind && !raw:
		return "AppendString(b, " + value + ")", nil
	case kind == protoreflect.BoolKind && optional:
		return "appendOptional(b, " + value + ", " + e.QualifiedGoIdent(strconvL.Ident("AppendBool")) + ")", nil
	case kind == protoreflect.BoolKind:
		return e.QualifiedGoIdent(strconvL.Ident("AppendBool")) + "(b, " + value + ")", nil
	case kind == protoreflect.Int32Kind && optional:
		return "appendOptional(b, " + value + ", appendInt32)", nil
	case kind == protoreflect.Int32Kind:
		return "appendInt32(b, " + value + ")", nil
	case kind == protoreflect.Int64Kind && optional:
		return "appendOptional(b, " + value + ", appendInt64)", nil
	case kind == protoreflect.Int64Kind:
		return "appendInt64(b, " + value + ")", nil
	case kind == protoreflect.DoubleKind && optional:
		return "appendOptional(b, " + value + ", appendDouble)", nil
	case kind == protoreflect.DoubleKind:
		return "appendDouble(b, " + value + ")", nil
	}
	return "", fmt.Errorf("%s: %v has no form as wire JSON", f.Desc.FullName(), f.Desc.Kind())
}

// element returns the name of the function that appends one value of a message, enum or text field.
func element(f *protogen.Field) (string, error) {
	switch {
	case wireschema.Is(f, wireschema.Timestamp):
		return "appendTime", nil
	case f.Message != nil && !wireschema.Foreign(f):
		return "Append" + f.Message.GoIdent.GoName, nil
	case f.Enum != nil:
		return "append" + f.Enum.GoIdent.GoName, nil
	case f.Desc.Kind() == protoreflect.StringKind:
		return "AppendString", nil
	}
	return "", fmt.Errorf("%s: lists of %v have no form as wire JSON", f.Desc.FullName(), f.Desc.Kind())
}
