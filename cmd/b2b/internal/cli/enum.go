package cli

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// enumOf returns the value of an enum that a flag names, as the JSON of REST does: "mention" for
// DELIVERY_KIND_MENTION.
func enumOf(of protoreflect.Enum, flag, text string) (protoreflect.EnumNumber, error) {
	values := of.Descriptor().Values()
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	var known []string
	for i := 1; i < values.Len(); i++ {
		name := strings.ToLower(strings.TrimPrefix(string(values.Get(i).Name()), prefix))
		if name == text {
			return values.Get(i).Number(), nil
		}
		known = append(known, name)
	}
	return 0, usageError("%s %q is none of: %s", flag, text, strings.Join(known, ", "))
}
