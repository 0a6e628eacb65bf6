package cli

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// enum is an enum of the schema.
type enum interface {
	~int32
	protoreflect.Enum
}

// enumOf returns the value of an enum that a flag names, as the JSON of REST does: "mention" for
// DELIVERY_KIND_MENTION.
func enumOf[E enum](flag, text string) (E, error) {
	values := E(0).Descriptor().Values()
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	var known []string
	for i := 1; i < values.Len(); i++ {
		name := strings.ToLower(strings.TrimPrefix(string(values.Get(i).Name()), prefix))
		if name == text {
			return E(values.Get(i).Number()), nil
		}
		known = append(known, name)
	}
	return 0, usageError("%s %q is none of: %s", flag, text, strings.Join(known, ", "))
}

// givenEnum is enumOf for a flag that may be left out; nil: it is.
func givenEnum[E enum](flag, text string) (*E, error) {
	if text == "" {
		return nil, nil
	}
	value, err := enumOf[E](flag, text)
	return &value, err
}

// enumsOf is enumOf for a flag with several values.
func enumsOf[E enum](flag string, texts []string) (values []E, err error) {
	for _, text := range texts {
		value, err := enumOf[E](flag, text)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}
