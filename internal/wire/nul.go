package wire

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plainText refuses the character U+0000, which PostgreSQL cannot store.
func plainText(text string) *FieldError {
	if strings.IndexByte(text, 0) < 0 {
		return nil
	}
	return wants("must not hold the character U+0000")
}

func textValue(raw []byte) (protoreflect.Value, *FieldError) {
	text := unquote(raw)
	return protoreflect.ValueOfString(text), plainText(text)
}

// CheckTexts refuses the character U+0000 in every text of a message, including lists and nested
// messages, for bindings that do not use wire JSON; Decode makes the same check. Its error is a
// *[FieldError] with the names of the schema in its path.
func CheckTexts(m proto.Message) error {
	if fault := checkTexts(m.ProtoReflect()); fault != nil {
		return fault
	}
	return nil
}

func checkTexts(m protoreflect.Message) (fault *FieldError) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Kind() != protoreflect.StringKind && f.Message() == nil {
			return true
		}
		switch {
		case f.IsMap(): // requests have none
		case f.IsList():
			for i := range v.List().Len() {
				if fault = checkText(f, v.List().Get(i)); fault != nil {
					fault = fault.at(i)
					break
				}
			}
		default:
			fault = checkText(f, v)
		}
		if fault != nil {
			fault = fault.in(string(f.Name()))
		}
		return fault == nil
	})
	return fault
}

func checkText(f protoreflect.FieldDescriptor, v protoreflect.Value) *FieldError {
	if f.Message() != nil {
		return checkTexts(v.Message())
	}
	return plainText(v.String())
}
