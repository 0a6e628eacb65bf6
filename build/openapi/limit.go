package main

import (
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/build/wireschema"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// bounded adds the limit of a field to its schema, where JSON Schema can express it. JSON Schema
// counts the characters of a text, and a text never has more characters than UTF-16 code units
// or bytes: the document therefore accepts everything the server accepts. Limits that depend on
// a condition or have another unit appear in the description only, see [wireschema.LimitText].
func bounded(schema *object, f *protogen.Field, to wireschema.Direction) *object {
	l := wireschema.LimitOption(f)
	if l.GetOf() == optionsv1.Limit_LIMIT_UNSPECIFIED || l.GetWhen() != "" {
		return schema
	}
	b := wireschema.BoundOf(l.GetOf())
	list := schema.text("type") == "array"
	text := schema.text("type") == "string" && f.Desc.Kind() == protoreflect.StringKind
	switch unit := b.GetUnit(); {
	case list && (unit == optionsv1.Unit_UNIT_ITEMS || unit == optionsv1.Unit_UNIT_PAGE):
		if to == wireschema.Requests && b.GetLeast() > 0 {
			schema.set("minItems", b.GetLeast())
		}
		schema.set("maxItems", b.GetMost())
	case to == wireschema.Responses:
		return schema
	case text && (unit == optionsv1.Unit_UNIT_UTF16 || unit == optionsv1.Unit_UNIT_BYTES):
		if b.GetLeast() > 0 {
			schema.set("minLength", b.GetLeast())
		}
		schema.set("maxLength", b.GetMost())
	case unit == optionsv1.Unit_UNIT_NUMBER:
		schema.set("minimum", b.GetLeast())
		if b.GetMost() > 0 {
			schema.set("maximum", b.GetMost())
		}
	case unit == optionsv1.Unit_UNIT_PAGE && !list:
		schema.set("default", b.GetUsual())
	}
	return schema
}
