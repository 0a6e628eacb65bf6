package main

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/build/wireschema"
)

// schemas collects the JSON Schemas that operations refer to: one for each message and direction,
// and one for each enum.
type schemas struct {
	all *object
	of  map[string]protoreflect.FullName // the message or enum of each schema name
	err error                            // the first error
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

// claim reserves a schema name for a message or enum, and reports whether it was free.
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

// message returns a reference to the schema of a message, or the schema itself if the message is
// written as a bare list or value.
func (s *schemas) message(m *protogen.Message, to wireschema.Direction) *object {
	options := wireschema.MessageOptions(m)
	switch {
	case options.GetList():
		return bounded(s.list(m.Fields[0], to), m.Fields[0], to)
	case options.GetScalar():
		return nullable(s.one(m.Fields[0], to))
	}
	name := string(m.Desc.Name())
	if to == wireschema.Requests && !wireschema.KeepsExtra(m) {
		name += "Input"
	}
	if s.claim(name, m.Desc) {
		place := s.all.child(name) // before its fields, which can refer to it
		*place = *s.define(m, to)
	}
	return refTo("schemas", name)
}

// body returns the schema of the JSON body of a request, without the fields that are in the path.
func (s *schemas) body(m *protogen.Message, pathVars []string) *object {
	name := string(m.Desc.Name())
	if s.claim(name, m.Desc) {
		var p properties
		s.members(&p, m, wireschema.Requests, pathVars)
		s.all.set(name, p.schema(wireschema.RequestText(m)))
	}
	return refTo("schemas", name)
}

func (s *schemas) define(m *protogen.Message, to wireschema.Direction) *object {
	text := wireschema.Comment(m.Comments)
	if oneof := wireschema.FlatOneof(m); oneof != nil {
		return s.flat(m, oneof, to).set("description", text)
	}
	var p properties
	s.members(&p, m, to, nil)
	if wireschema.MessageOptions(m).GetBareUnless() == "" {
		return p.schema(text)
	}
	i := slices.IndexFunc(m.Fields, func(f *protogen.Field) bool { return f.Desc.IsList() })
	bare := bounded(s.list(m.Fields[i], to), m.Fields[i], to).set("title", "Bare")
	return obj("description", text, "oneOf", []*object{bare, p.schema("").set("title", "Page")})
}

// flat returns the schema of a message with a oneof: one object for each choice, distinguished by
// its member type.
func (s *schemas) flat(m *protogen.Message, oneof *protogen.Oneof, to wireschema.Direction) *object {
	var choices []*object
	mapping := obj()
	for _, f := range oneof.Fields {
		if m.Desc.Name() == "Event" && !wireschema.Delivered(f) {
			continue
		}
		kind := string(f.Desc.Name())
		name := wireschema.Pascal(kind) + string(m.Desc.Name())
		if s.claim(name, f.Desc) {
			var p properties
			p.add("type", obj("type", "string", "const", kind), true)
			s.members(&p, m, to, nil)
			if wireschema.KeepsExtra(m) {
				s.kept(&p, f.Message)
			} else {
				s.members(&p, f.Message, to, nil)
			}
			if m.Desc.Name() == "Event" { // bindings add the position in the stream
				p.add("cursor", obj("type", "string", "description", "The position after this event, from which a client can resume. Absent for events that are not stored."), false)
			}
			schema := p.schema(wireschema.Comment(f.Comments))
			if wireschema.KeepsExtra(m) {
				schema.set("additionalProperties", true)
			}
			s.all.set(name, schema)
			if wireschema.WireOptions(f).GetWebhook() {
				s.posted(f, p, wireschema.Comment(f.Comments))
			}
		}
		ref := refTo("schemas", name)
		choices = append(choices, ref)
		mapping.set(kind, ref.values["$ref"])
	}
	return obj("oneOf", choices, "discriminator", obj("propertyName", "type", "mapping", mapping))
}

// properties are the members of an object, collected from a message and the messages that are
// inlined in it.
type properties struct {
	all      []any // names and schemas alternate
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

// members adds the fields of a message, except those of its oneof.
func (s *schemas) members(p *properties, m *protogen.Message, to wireschema.Direction, skip []string) {
	oneof := wireschema.FlatOneof(m)
	for _, f := range m.Fields {
		options := wireschema.WireOptions(f)
		name := string(f.Desc.Name())
		switch {
		case f.Oneof != nil && f.Oneof == oneof, wireschema.Unwritten(f), options.GetExtraKeys(), slices.Contains(skip, name):
		case options.GetInline():
			s.members(p, f.Message, to, nil)
		case to == wireschema.Requests:
			p.add(name, s.field(f, to), options.GetNeeded())
		default:
			p.add(name, s.field(f, to), !options.GetOmitAbsent() || !f.Desc.HasPresence())
		}
	}
}

// kept adds the fields of a message that keeps unknown keys as they were sent. Required fields
// have their own type, the others any type.
func (s *schemas) kept(p *properties, m *protogen.Message) {
	for _, f := range m.Fields {
		name := string(f.Desc.Name())
		if wireschema.WireOptions(f).GetNotNull() {
			p.add(name, s.described(s.one(f, wireschema.Requests), f), true)
			continue
		}
		p.add(name, obj("description", wireschema.Comment(f.Comments)+" Stored as it was sent, with any type."), false)
	}
}

// field returns the schema of a field with its description, nullable if the field may be null.
func (s *schemas) field(f *protogen.Field, to wireschema.Direction) *object {
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
	if wireschema.MayBeNull(f, to) {
		out = nullable(out)
	}
	return s.described(out, f)
}

func (s *schemas) described(schema *object, f *protogen.Field) *object {
	return schema.setIf("description", wireschema.FieldText(f))
}

func (s *schemas) list(f *protogen.Field, to wireschema.Direction) *object {
	return obj("type", "array", "items", s.one(f, to))
}

// one returns the schema of one value of a field.
func (s *schemas) one(f *protogen.Field, to wireschema.Direction) *object {
	options := wireschema.WireOptions(f)
	switch f.Desc.Kind() {
	case protoreflect.StringKind:
		switch {
		case options.GetRawJson() && f.Parent.Desc.Name() == "JsonPart":
			return obj("type", []string{"object", "array"})
		case options.GetRawJson(), options.GetAnyToText() && to == wireschema.Requests:
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
		if wireschema.Is(f, wireschema.Timestamp) {
			return obj("type", "integer", "format", "int64")
		}
		return s.message(f.Message, to)
	}
	s.fail("%s: %v has no form as wire JSON", f.Desc.FullName(), f.Desc.Kind())
	return obj()
}

// enum returns a reference to the schema of an enum, which describes each value.
func (s *schemas) enum(e *protogen.Enum) *object {
	name := string(e.Desc.Name())
	if s.claim(name, e.Desc) {
		var texts []string
		meaning := ""
		for _, v := range e.Values[1:] {
			texts = append(texts, wireschema.EnumText(e, v))
			meaning += "- `" + wireschema.EnumText(e, v) + "`: " + wireschema.Comment(v.Comments) + "\n"
		}
		s.all.set(name, obj("type", "string", "description", wireschema.Paragraphs(wireschema.Comment(e.Comments), meaning), "enum", texts))
	}
	return refTo("schemas", name)
}

// nullable returns a schema that also accepts null.
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
