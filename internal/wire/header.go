package wire

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// SetHeader sets the fields of m with the option header. An absent header leaves its field
// unchanged.
//
// A text field gets the value of the header; an empty value counts as absent, and two different
// values are a *[FieldError]. A number field gets an entity tag without W/, quotes and what follows
// the digits. One tag sets the field that is a single number; several, on one line or more, set the
// field that is a list; with "*" among them neither is set.
func SetHeader(m proto.Message, header http.Header) error {
	p, err := planFor(m)
	if err != nil {
		return err
	}
	for _, f := range p.headers {
		given := header.Values(f.header)
		if len(given) == 0 {
			continue
		}
		if f.kind == text {
			err = f.setHeaderText(m.ProtoReflect(), given)
		} else {
			err = f.setTags(m.ProtoReflect(), given)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *field) setHeaderText(m protoreflect.Message, lines []string) error {
	value := ""
	for _, line := range lines {
		switch {
		case line == "" || line == value:
		case value != "":
			return wants("must be sent once").in(f.header)
		default:
			value = line
		}
	}
	if value == "" {
		return nil
	}
	return f.setText(m, value)
}

func (f *field) setTags(m protoreflect.Message, lines []string) error {
	tags := strings.Split(strings.Join(lines, ","), ",")
	numbers := make([]int64, 0, len(tags))
	for _, tag := range tags {
		tag = strings.TrimPrefix(jstext.Trim(tag), "W/")
		if tag == "*" {
			return nil
		}
		if tag == "" && len(tags) > 1 {
			continue // empty members of a list are ignored
		}
		if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
			tag = tag[1 : len(tag)-1]
		}
		n, ok := jstext.ParseInt(tag)
		if !ok {
			return wants("must be a number in quotes, or a list of them").in(f.header)
		}
		numbers = append(numbers, n)
	}
	switch {
	case len(numbers) == 0:
		return wants("must be a number in quotes, or a list of them").in(f.header)
	case f.desc.IsList() && len(numbers) > 1:
		list := m.Mutable(f.desc).List()
		for _, n := range numbers {
			list.Append(protoreflect.ValueOfInt64(n))
		}
	case !f.desc.IsList() && len(numbers) == 1:
		m.Set(f.desc, protoreflect.ValueOfInt64(numbers[0]))
	}
	return nil
}
