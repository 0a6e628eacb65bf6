package wireschema

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// LimitOption returns the limit of a field; unset, it has the zero value.
func LimitOption(f *protogen.Field) *optionsv1.Limited {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Limit).(*optionsv1.Limited)
}

// BoundOf returns the bounds of a limit.
func BoundOf(l optionsv1.Limit) *optionsv1.Bound {
	value := l.Descriptor().Values().ByNumber(l.Number())
	return proto.GetExtension(value.Options(), optionsv1.E_Bound).(*optionsv1.Bound)
}

// LimitText returns the limit of a field as a sentence, or "" if it has none.
func LimitText(f *protogen.Field) string {
	l := LimitOption(f)
	if l.GetOf() == optionsv1.Limit_LIMIT_UNSPECIFIED {
		return ""
	}
	text := boundText(BoundOf(l.GetOf()), f.Desc.IsList())
	if l.GetWhen() != "" {
		text += ", " + l.GetWhen()
	}
	if l.GetOtherwise() != optionsv1.Limit_LIMIT_UNSPECIFIED {
		text += "; else " + boundText(BoundOf(l.GetOtherwise()), false)
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
	case unit == optionsv1.Unit_UNIT_NUMBER && b.GetMost() > 0:
		return fmt.Sprintf("%d to %d", b.GetLeast(), b.GetMost())
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
