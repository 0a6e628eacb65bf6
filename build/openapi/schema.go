package main

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	timestamp = "google.protobuf.Timestamp"
	httpBody  = "google.api.HttpBody"
)

// A direction is whether JSON is read or written: absent values and free-form JSON
// have other rules in the one than in the other.
type direction int

const (
	answers direction = iota
	requests
)

// schemas gathers the JSON Schemas that operations need, one for each message in each
// direction, and for each enum.
type schemas struct {
	all *object
	of  map[string]protoreflect.FullName // who has a name already
	err error                            // the first that could not be said
}

func newSchemas() *schemas {
	return &schemas{all: obj(), of: make(map[string]protoreflect.FullName)}
}

func (s *schemas) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func refTo(section, name string) *object { return obj("$ref", "#/components/"+section+"/"+name) }

// claim takes a name for a message or enum, and tells whether it is new.
func (s *schemas) claim(name string, d protoreflect.Descriptor) bool {
	if other, ok := s.of[name]; ok {
		if other != d.FullName() {
			s.fail("%s and %s would both be the schema %s", other, d.FullName(), name)
		}
		return false
	}
	s.of[name] = d.FullName()
	return true
}

// message returns the schema of a message: of itself where it is written as a bare
// list or value, else a reference.
func (s *schemas) message(m *protogen.Message, to direction) *object {
	marks := messageMarks(m)
	switch {
	case marks.GetList():
		return bounded(s.list(m.Fields[0], to), m.Fields[0], to)
	case marks.GetScalar():
		return nullable(s.one(m.Fields[0], to))
	}
	name := string(m.Desc.Name())
	if to == requests && !keepsExtra(m) {
		name += "Input"
	}
	if s.claim(name, m.Desc) {
		place := s.all.child(name) // before its fields, which may refer to it
		*place = *s.define(m, to)
	}
	return refTo("schemas", name)
}

// body returns the schema of the JSON body of a request, which does not hold what the
// path says.
func (s *schemas) body(m *protogen.Message, pathVars []string) *object {
	name := string(m.Desc.Name())
	if s.claim(name, m.Desc) {
		var p properties
		s.members(&p, m, requests, pathVars)
		s.all.set(name, p.schema(asked(m)))
	}
	return refTo("schemas", name)
}

func (s *schemas) define(m *protogen.Message, to direction) *object {
	text := words(m.Comments)
	if oneof := flatOneof(m); oneof != nil {
		return s.flat(m, oneof, to).set("description", text)
	}
	var p properties
	s.members(&p, m, to, nil)
	if messageMarks(m).GetBareUnless() == "" {
		return p.schema(text)
	}
	i := slices.IndexFunc(m.Fields, func(f *protogen.Field) bool { return f.Desc.IsList() })
	bare := bounded(s.list(m.Fields[i], to), m.Fields[i], to).set("title", "Bare")
	return obj("description", text, "oneOf", []*object{bare, p.schema("").set("title", "Page")})
}

// flat is a message that is about a oneof: one object for each choice, told apart by
// its type.
func (s *schemas) flat(m *protogen.Message, oneof *protogen.Oneof, to direction) *object {
	var choices []*object
	mapping := obj()
	for _, f := range oneof.Fields {
		kind := string(f.Desc.Name())
		name := pascal(kind) + string(m.Desc.Name())
		if s.claim(name, f.Desc) {
			var p properties
			p.add("type", obj("type", "string", "const", kind), true)
			s.members(&p, m, to, nil)
			if keepsExtra(m) {
				s.kept(&p, f.Message)
			} else {
				s.members(&p, f.Message, to, nil)
			}
			if m.Desc.Name() == "Event" { // bindings write the position of a stream into what it tells
				p.add("cursor", obj("type", "string", "description", "The position behind this event, to resume from. Absent where it is told once and not kept."), false)
			}
			schema := p.schema(words(f.Comments))
			if keepsExtra(m) {
				schema.set("additionalProperties", true)
			}
			s.all.set(name, schema)
			if wireMarks(f).GetWebhook() {
				s.posted(f, p, words(f.Comments))
			}
		}
		ref := refTo("schemas", name)
		choices = append(choices, ref)
		mapping.set(kind, ref.values["$ref"])
	}
	return obj("oneOf", choices, "discriminator", obj("propertyName", "type", "mapping", mapping))
}

// properties are those of an object, as they are gathered from a message and those
// that are inlined in it.
type properties struct {
	all      []any // names and schemas in turn
	required []string
}

func (p *properties) add(name string, schema *object, required bool) {
	p.all = append(p.all, name, schema)
	if required {
		p.required = append(p.required, name)
	}
}

func (p *properties) schema(description string) *object {
	out := obj("type", "object").setIf("description", description)
	if len(p.required) > 0 {
		out.set("required", p.required)
	}
	return out.set("properties", obj(p.all...))
}

// members adds the fields of a message but for its oneof.
func (s *schemas) members(p *properties, m *protogen.Message, to direction, skip []string) {
	oneof := flatOneof(m)
	for _, f := range m.Fields {
		marks := wireMarks(f)
		name := string(f.Desc.Name())
		switch {
		case f.Oneof != nil && f.Oneof == oneof, unwritten(f), marks.GetExtraKeys(), slices.Contains(skip, name):
		case marks.GetInline():
			s.members(p, f.Message, to, nil)
		case to == requests:
			p.add(name, s.field(f, to), marks.GetNeeded())
		default:
			p.add(name, s.field(f, to), !marks.GetOmitAbsent() || !f.Desc.HasPresence())
		}
	}
}

// kept adds the fields of a message whose keys are kept as sent: those that must be
// there are of their type, the others of any.
func (s *schemas) kept(p *properties, m *protogen.Message) {
	for _, f := range m.Fields {
		name := string(f.Desc.Name())
		if wireMarks(f).GetNotNull() {
			p.add(name, s.described(s.one(f, requests), f), true)
			continue
		}
		p.add(name, obj("description", words(f.Comments)+" Kept as it was sent, of whatever type."), false)
	}
}

// field is the schema of a field with its comment and whether it may be null.
func (s *schemas) field(f *protogen.Field, to direction) *object {
	var out *object
	switch {
	case f.Desc.IsMap():
		out = obj("type", "object", "additionalProperties", obj("type", "string"))
	case f.Desc.IsList():
		out = s.list(f, to)
	default:
		out = s.one(f, to)
	}
	out = bounded(out, f, to)
	if mayBeNull(f, to) {
		out = nullable(out)
	}
	return s.described(out, f)
}

// mayBeNull reports whether an absent value is written, or accepted, as null. In
// answers the word optional tells messages that may be absent from those that are
// always there; proto3 itself sees no difference.
func mayBeNull(f *protogen.Field, to direction) bool {
	marks := wireMarks(f)
	if to == requests {
		return f.Desc.HasPresence() && !marks.GetNotNull() && !marks.GetNeeded()
	}
	return f.Desc.HasOptionalKeyword() && !marks.GetOmitAbsent()
}

func (s *schemas) described(schema *object, f *protogen.Field) *object {
	text := words(f.Comments)
	if more := limitWords(f); more != "" {
		text += " " + more
	}
	if is(f, timestamp) {
		text = paragraphs(text, "Unix milliseconds.")
	}
	return schema.setIf("description", text)
}

func (s *schemas) list(f *protogen.Field, to direction) *object {
	return obj("type", "array", "items", s.one(f, to))
}

// one is the schema of one value of a field.
func (s *schemas) one(f *protogen.Field, to direction) *object {
	marks := wireMarks(f)
	switch f.Desc.Kind() {
	case protoreflect.StringKind:
		switch {
		case marks.GetRawJson() && f.Parent.Desc.Name() == "JsonPart":
			return obj("type", []string{"object", "array"})
		case marks.GetRawJson(), marks.GetAnyToText() && to == requests:
			return obj() // any JSON
		}
		return obj("type", "string")
	case protoreflect.BoolKind:
		return obj("type", "boolean")
	case protoreflect.Int32Kind:
		return obj("type", "integer", "format", "int32")
	case protoreflect.Int64Kind:
		return obj("type", "integer", "format", "int64")
	case protoreflect.DoubleKind:
		return obj("type", "number")
	case protoreflect.EnumKind:
		return s.enum(f.Enum)
	case protoreflect.MessageKind:
		if is(f, timestamp) {
			return obj("type", "integer", "format", "int64")
		}
		return s.message(f.Message, to)
	}
	s.fail("%s: %v has no form as wire JSON", f.Desc.FullName(), f.Desc.Kind())
	return obj()
}

// enum refers to the schema of an enum, which tells what its values mean.
func (s *schemas) enum(e *protogen.Enum) *object {
	name := string(e.Desc.Name())
	if s.claim(name, e.Desc) {
		var texts []string
		meaning := ""
		for _, v := range e.Values[1:] {
			texts = append(texts, enumText(e, v))
			meaning += "- `" + enumText(e, v) + "`: " + words(v.Comments) + "\n"
		}
		s.all.set(name, obj("type", "string", "description", paragraphs(words(e.Comments), meaning), "enum", texts))
	}
	return refTo("schemas", name)
}

// nullable allows null beside what a schema allows.
func nullable(schema *object) *object {
	switch kind := schema.values["type"].(type) {
	case string:
		return schema.copy().set("type", []string{kind, "null"})
	case nil:
		if len(schema.keys) == 0 {
			return schema // anything, so null too
		}
	}
	return obj("anyOf", []*object{schema, obj("type", "null")})
}

// flatOneof returns the oneof that a message is all about, or nil.
func flatOneof(m *protogen.Message) *protogen.Oneof {
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			return o
		}
	}
	return nil
}

func keepsExtra(m *protogen.Message) bool {
	return slices.ContainsFunc(m.Fields, func(f *protogen.Field) bool { return wireMarks(f).GetExtraKeys() })
}

// unwritten reports whether a field never stands in wire JSON.
func unwritten(f *protogen.Field) bool {
	marks := wireMarks(f)
	return marks.GetHidden() || marks.GetBodyKeys() || marks.GetHeader() != "" || foreign(f)
}

// foreign reports whether a field holds a message that has no form as wire JSON.
func foreign(f *protogen.Field) bool {
	return f.Message != nil && !f.Desc.IsMap() && f.Message.Desc.ParentFile().Package() != schema && !is(f, timestamp)
}

func is(f *protogen.Field, name protoreflect.FullName) bool {
	return f.Message != nil && f.Message.Desc.FullName() == name
}
