package mcp

import (
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// field is the field of a request that an argument fills, whose limits and values it has.
type field struct {
	argument string
	request  proto.Message
	name     protoreflect.Name
}

// enum is an argument that has one of some values.
type enum struct {
	argument string
	values   []string
}

// inputOf returns the input schema of a tool: that of the struct In, with the limits of fields and the
// values of enums. Arguments are never null, and there are no others.
func inputOf[In any](fields []field, enums []enum) *jsonschema.Schema {
	s, err := jsonschema.For[In](nil)
	if err != nil {
		panic(fmt.Sprintf("mcp: the schema of %T: %v", *new(In), err))
	}
	for _, p := range s.Properties {
		if p.Types != nil { // a list, which may be left out
			p.Type, p.Types = "array", nil
		}
		p.Minimum, p.Maximum = nil, nil // those of the Go type
	}
	for _, f := range fields {
		d := f.request.ProtoReflect().Descriptor().Fields().ByName(f.name)
		p := s.Properties[f.argument]
		if d == nil || p == nil {
			panic(fmt.Sprintf("mcp: %T has no argument %s, or %T no field %s", *new(In), f.argument, f.request, f.name))
		}
		limit(p, d)
	}
	for _, e := range enums {
		p := s.Properties[e.argument]
		if p.Items != nil {
			p = p.Items
		}
		p.Enum = nil
		for _, v := range e.values {
			p.Enum = append(p.Enum, v)
		}
	}
	return s
}

// limit adds the limit of a field to the schema of an argument. JSON Schema counts characters, of which
// a text has at most as many as UTF-16 units or bytes: the server applies the exact limit.
func limit(p *jsonschema.Schema, d protoreflect.FieldDescriptor) {
	if e := d.Enum(); e != nil {
		p.Enum = nil
		for _, v := range valuesOf(e) {
			p.Enum = append(p.Enum, v)
		}
	}
	l, _ := proto.GetExtension(d.Options(), optionsv1.E_Limit).(*optionsv1.Limited)
	if l == nil || l.GetWhen() != "" && l.GetWhen() != "after trimming" && l.GetWhen() != "without folders" {
		return
	}
	of := l.GetOf()
	value := of.Descriptor().Values().ByNumber(of.Number())
	b, _ := proto.GetExtension(value.Options(), optionsv1.E_Bound).(*optionsv1.Bound)
	least, most := int(b.GetLeast()), int(b.GetMost())
	switch b.GetUnit() {
	case optionsv1.Unit_UNIT_UTF16, optionsv1.Unit_UNIT_BYTES:
		if p.Type == "string" {
			p.MinLength, p.MaxLength = atLeast(least), new(most)
		}
	case optionsv1.Unit_UNIT_ITEMS:
		p.MinItems, p.MaxItems = atLeast(least), new(most)
	case optionsv1.Unit_UNIT_NUMBER, optionsv1.Unit_UNIT_PAGE:
		p.Minimum = new(float64(least))
		if most > 0 {
			p.Maximum = new(float64(most))
		}
	}
}

func atLeast(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// valuesOf returns the texts of the values of an enum, without the one for "not set".
func valuesOf(e protoreflect.EnumDescriptor) (texts []string) {
	for i := 1; i < e.Values().Len(); i++ {
		texts = append(texts, enumText(e, e.Values().Get(i).Number()))
	}
	return texts
}

// enumNumber returns the value of an enum with a text; 0 for an empty one, which is "not set". The
// schema has made sure that there is one.
func enumNumber(e protoreflect.EnumDescriptor, text string) protoreflect.EnumNumber {
	for i := range e.Values().Len() {
		if n := e.Values().Get(i).Number(); n != 0 && enumText(e, n) == text {
			return n
		}
	}
	return 0
}

// enumText returns the text of a value of an enum, as the JSON of REST has it.
func enumText(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	prefix := strings.TrimSuffix(string(e.Values().Get(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(e.Values().ByNumber(n).Name()), prefix))
}
