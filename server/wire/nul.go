package wire

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plainText refuses the character U+0000, which not every database can hold.
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

// CheckTexts does for messages that bindings other than wire JSON have read what the
// decoder does for its own: it refuses the character U+0000 in every text, also within
// lists and messages. Its error is a *[FieldError] whose path has the names of the
// schema.
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
