package main

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

func limitOption(f *protogen.Field) *optionsv1.Limited {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Limit).(*optionsv1.Limited)
}

func boundOf(l optionsv1.Limit) *optionsv1.Bound {
	value := l.Descriptor().Values().ByNumber(l.Number())
	return proto.GetExtension(value.Options(), optionsv1.E_Bound).(*optionsv1.Bound)
}

// bounded adds the limit of a field to its schema, where JSON Schema can express it. JSON Schema
// counts the characters of a text, and a text never has more characters than UTF-16 code units
// or bytes: the document therefore accepts everything the server accepts. Limits that depend on
// a condition or have another unit appear in the description only, see [limitText].
func bounded(schema *object, f *protogen.Field, to direction) *object {
	l := limitOption(f)
	if l.GetOf() == optionsv1.Limit_LIMIT_UNSPECIFIED || l.GetWhen() != "" {
		return schema
	}
	b := boundOf(l.GetOf())
	list := schema.text("type") == "array"
	text := schema.text("type") == "string" && f.Desc.Kind() == protoreflect.StringKind
	switch unit := b.GetUnit(); {
	case list && (unit == optionsv1.Unit_UNIT_ITEMS || unit == optionsv1.Unit_UNIT_PAGE):
		if to == requests && b.GetLeast() > 0 {
			schema.set("minItems", b.GetLeast())
		}
		schema.set("maxItems", b.GetMost())
	case to == responses:
		return schema
	case text && (unit == optionsv1.Unit_UNIT_UTF16 || unit == optionsv1.Unit_UNIT_BYTES):
		if b.GetLeast() > 0 {
			schema.set("minLength", b.GetLeast())
		}
		schema.set("maxLength", b.GetMost())
	case unit == optionsv1.Unit_UNIT_NUMBER:
		schema.set("minimum", b.GetLeast())
	case unit == optionsv1.Unit_UNIT_PAGE && !list:
		schema.set("default", b.GetUsual())
	}
	return schema
}

// limitText returns the limit of a field as a sentence, or "" if it has none.
func limitText(f *protogen.Field) string {
	l := limitOption(f)
	if l.GetOf() == optionsv1.Limit_LIMIT_UNSPECIFIED {
		return ""
	}
	text := boundText(boundOf(l.GetOf()), f.Desc.IsList())
	if l.GetWhen() != "" {
		text += ", " + l.GetWhen()
	}
	if l.GetOtherwise() != optionsv1.Limit_LIMIT_UNSPECIFIED {
		text += "; else " + boundText(boundOf(l.GetOtherwise()), false)
	}
	return text + "."
}

func boundText(b *optionsv1.Bound, list bool) string {
	var what string
	switch unit := b.GetUnit(); {
	case unit == optionsv1.Unit_UNIT_UTF16:
		what = " UTF-16 code units"
	case unit == optionsv1.Unit_UNIT_BYTES:
		what = " bytes of UTF-8"
	case unit == optionsv1.Unit_UNIT_JSON_BYTES:
		what = " bytes as compact JSON"
	case unit == optionsv1.Unit_UNIT_MEMBER_ITEMS:
		what = " in each list"
	case unit == optionsv1.Unit_UNIT_LEVELS:
		what = " levels"
	case unit == optionsv1.Unit_UNIT_NUMBER:
		return fmt.Sprintf("%d or more", b.GetLeast())
	case unit == optionsv1.Unit_UNIT_PAGE && !list:
		return fmt.Sprintf("%d to %d; default %d", b.GetLeast(), b.GetMost(), b.GetUsual())
	}
	if b.GetLeast() > 0 && !list {
		return fmt.Sprintf("%d to %d%s", b.GetLeast(), b.GetMost(), what)
	}
	return fmt.Sprintf("At most %d%s", b.GetMost(), what)
}
