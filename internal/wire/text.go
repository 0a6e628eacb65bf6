package wire

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// SetText sets the field of a path variable. A text that is not a valid value is a *[FieldError]; a
// field that m does not have is another error.
func SetText(m proto.Message, name, value string) error {
	p, err := planFor(m)
	if err != nil {
		return err
	}
	f := p.fields[name]
	if f == nil || !f.textual() {
		return fmt.Errorf("wire: %s has no field %q that text can set", p.name, name)
	}
	return f.setText(m.ProtoReflect(), value)
}

// DecodeQuery reads query parameters into the fields of m, except those in skip. Unknown
// parameters, and those of fields that text cannot express (messages, JSON), are ignored. A field
// with the option header can also be a parameter.
//
//   - Of several values of a parameter the first one counts.
//   - Lists of texts are elements separated by commas, in one parameter or several, without
//     the spaces around them; empty elements are skipped.
//   - Texts are not changed and may be empty.
//   - Integers are read as by parseInt: "12abc" is 12, and a text that does not begin with a
//     number is 0, but present. An empty text is absent.
//   - Times are whole Unix milliseconds; an empty text is invalid.
//   - Enums are their text in wire JSON; an empty text is absent.
//
// The error is a *[FieldError], the first one in the order of the schema.
func DecodeQuery(values url.Values, m proto.Message, skip ...string) error {
	p, err := planFor(m)
	if err != nil {
		return err
	}
	for _, fields := range [2][]*field{p.order, p.headers} {
		for _, f := range fields {
			given := values[f.name]
			switch {
			case len(given) == 0 || slices.Contains(skip, f.name):
			case f.texts():
				err = f.setTexts(m.ProtoReflect(), given)
			case f.textual():
				err = f.setText(m.ProtoReflect(), given[0])
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// texts reports whether the field is a list of texts.
func (f *field) texts() bool { return f.kind == text && f.desc.IsList() && len(f.inside) == 0 }

// setTexts sets a list to the comma-separated elements of all values.
func (f *field) setTexts(m protoreflect.Message, values []string) error {
	list := m.Mutable(f.desc).List()
	for _, value := range values {
		if !utf8.ValidString(value) {
			return wants("must be UTF-8").in(f.name)
		}
		if fault := plainText(value); fault != nil {
			return fault.in(f.name)
		}
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list.Append(protoreflect.ValueOfString(one))
			}
		}
	}
	return nil
}

// textual reports whether a plain text can express a value of the field.
func (f *field) textual() bool {
	switch f.kind {
	case text, integer32, integer64, milliseconds, enumText:
		return !f.desc.IsList() && len(f.inside) == 0
	}
	return false
}

func (f *field) setText(m protoreflect.Message, value string) error {
	if !utf8.ValidString(value) {
		return wants("must be UTF-8").in(f.name)
	}
	if fault := plainText(value); fault != nil {
		return fault.in(f.name)
	}
	switch f.kind {
	case text:
		m.Set(f.desc, protoreflect.ValueOfString(value))
	case integer32, integer64:
		if value == "" {
			return nil
		}
		n, _ := jstext.ParseInt(value)
		if f.kind == integer64 {
			m.Set(f.desc, protoreflect.ValueOfInt64(n))
			return nil
		}
		m.Set(f.desc, protoreflect.ValueOfInt32(int32(min(max(n, math.MinInt32), math.MaxInt32))))
	case milliseconds:
		ms, ok := wholeMilliseconds(value)
		if !ok {
			return wants("%s", f.want).in(f.name)
		}
		m.Set(f.desc, ofMilliseconds(ms))
	case enumText:
		n, ok := f.enum[value]
		if !ok && value != "" {
			return wants("%s", f.want).in(f.name)
		}
		if ok {
			m.Set(f.desc, protoreflect.ValueOfEnum(n))
		}
	}
	return nil
}

// wholeMilliseconds parses a time as JavaScript's Number does, but only integers; values beyond
// int64 are clamped.
func wholeMilliseconds(value string) (int64, bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return n, true
	}
	n, ok := jstext.Number(value)
	switch {
	case !ok, jstext.Trim(value) == "", n != math.Trunc(n), math.IsInf(n, 0):
		return 0, false
	case n >= math.MaxInt64:
		return math.MaxInt64, true
	case n <= math.MinInt64:
		return math.MinInt64, true
	}
	return int64(n), true
}
