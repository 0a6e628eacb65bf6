package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/limits"
)

// CheckBinary counts the elements of a message in protobuf's binary encoding before it is decoded:
// its fields, known or unknown, the entries of its lists, and those of nested messages. An empty
// message takes two bytes when encoded and about a hundred in memory. More than limits.MaxElements
// elements, or nesting deeper than limits.MaxJSONDepth, is a *[FieldError] (B2B-LIM-031). Invalid
// data is left to the decoder.
func CheckBinary(d protoreflect.MessageDescriptor, data []byte) (elements int, err error) {
	c := counter{}
	if fault := c.count(d, data, 1); fault != nil {
		return c.elements, fault
	}
	return c.elements, nil
}

// CheckJSON counts the elements of Connect's JSON as CheckBinary does. Free-form JSON is a string
// there, so every element that is counted takes memory of its own.
func CheckJSON(data []byte) (elements int, err error) {
	depth, elements := limits.Shape(data)
	switch {
	case depth > limits.MaxJSONDepth:
		return elements, wants("must be at most %d levels deep", limits.MaxJSONDepth)
	case elements > limits.MaxElements:
		return elements, tooMany()
	}
	return elements, nil
}

type counter struct{ elements int }

func (c *counter) add(n int) *FieldError {
	if c.elements += n; c.elements > limits.MaxElements {
		return tooMany()
	}
	return nil
}

func (c *counter) count(d protoreflect.MessageDescriptor, data []byte, depth int) *FieldError {
	if depth > limits.MaxJSONDepth {
		return wants("must be at most %d levels deep", limits.MaxJSONDepth)
	}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil
		}
		data = data[n:]
		if fault := c.add(1); fault != nil {
			return fault
		}
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
				return nil
			}
			data = data[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return nil
		}
		data = data[n:]
		f := d.Fields().ByNumber(number)
		switch {
		case f == nil:
		case f.Message() != nil:
			if fault := c.count(f.Message(), value, depth+1); fault != nil {
				return fault
			}
		case f.IsList() && f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind:
			if fault := c.add(packed(f.Kind(), value)); fault != nil {
				return fault
			}
		}
	}
	return nil
}

// packed returns the number of entries in a packed list.
func packed(kind protoreflect.Kind, data []byte) int {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return len(data) / 4
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return len(data) / 8
	}
	n := 0
	for _, b := range data {
		if b < 0x80 { // the last byte of a number
			n++
		}
	}
	return n
}
