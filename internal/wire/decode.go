package wire

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// Decode reads the JSON body of a request into m, which must be empty.
//
//   - Keys that are not in the schema are ignored, and so are those of hidden fields, header
//     fields and masks. A body that is an array counts as an empty object.
//   - null is an absent value, unless the field has the option not_null or cannot be absent.
//   - Types are strict: "1" is not a number and 1 is not a string. 1.0 and 1e3 are integers.
//   - A mask with the option body_keys is always set. It holds the fields of m that are in the
//     body, in that order, but only those that a change can be about: fields that can be
//     absent, except request_id and those that REST reads from a header.
//   - In a part, an optional key with a value of another type, or null, is kept with the keys
//     that are not in the schema.
//   - Texts must not contain the character U+0000. In raw_json it is an escape like others.
//   - A key must not occur twice in an object of the schema. JSON in raw_json is not changed.
//   - An object or list of the schema has at most limits.MaxElements elements.
//
// An error in data is a *[FieldError]; any other error means that m is not a message of the schema.
// After an error m is partly filled.
func Decode(data []byte, m proto.Message) error {
	return DecodeOptions{}.Decode(data, m)
}

// DecodeOptions are what a binding adds to the rules of [Decode].
type DecodeOptions struct {
	// Skip are keys to ignore like unknown ones, for example of fields that the path sets.
	Skip map[string]bool
	// Rename maps keys of the binding to the names of their fields.
	Rename map[string]string
	// HeaderKeys reads fields with the option header from keys of the same name, for bindings
	// without headers.
	HeaderKeys bool
	// Checked means that data has passed CheckBody, so the check is not repeated.
	Checked bool
}

// Decode reads data as the function [Decode] does.
func (o DecodeOptions) Decode(data []byte, m proto.Message) error {
	p, err := planFor(m)
	if err != nil {
		return err
	}
	if !o.Checked {
		if err := check(data); err != nil {
			return err
		}
	}
	raw := trimSpace(data)
	if raw[0] == '[' && (p.shape == object || p.shape == flat) {
		raw = []byte("{}")
	}
	if fault := p.read(m.ProtoReflect(), raw, o); fault != nil {
		return fault
	}
	return nil
}

// read reads one value into m. The options apply to the outermost object only.
func (p *plan) read(m protoreflect.Message, raw []byte, o DecodeOptions) *FieldError {
	switch {
	case p.shape == scalar:
		return p.only.read(m, raw)
	case raw[0] == '[' && p.shape == array:
		return p.readArray(m, raw)
	case raw[0] == '[' && p.shape == arrayish:
		return p.only.read(m, raw)
	case raw[0] != '{' || p.shape == array:
		return wants("%s", p.want())
	case p.shape == flat:
		return p.readFlat(m, raw)
	case p.shape == arrayish:
		m.Set(p.flag, protoreflect.ValueOfBool(true))
	}
	return p.readObject(m, raw, o)
}

func (p *plan) readArray(m protoreflect.Message, raw []byte) *FieldError {
	if p.most > 0 {
		count := 0
		for range elements(raw) {
			if count++; count > p.most {
				return wants("must have at most %d elements", p.most)
			}
		}
	}
	return p.only.read(m, raw)
}

func (p *plan) readObject(m protoreflect.Message, raw []byte, o DecodeOptions) *FieldError {
	var keys keySet
	var named fieldmaskpb.FieldMask
	for rawKey, value := range members(raw) {
		f, key := p.find(rawKey)
		if fault := keys.add(key); fault != nil {
			return fault
		}
		if f = o.meant(p, f, key); f == nil {
			continue
		}
		if fault := f.read(m, value); fault != nil {
			return fault.in(key)
		}
		if f.changes {
			named.Paths = append(named.Paths, f.name)
		}
	}
	if p.mask != nil {
		m.Set(p.mask, protoreflect.ValueOfMessage(named.ProtoReflect()))
	}
	return nil
}

// find returns the field of a key, or nil, and the text of the key.
func (p *plan) find(rawKey []byte) (*field, string) {
	if f := p.fields[string(rawKey[1:len(rawKey)-1])]; f != nil {
		return f, f.name // the usual case, without a copy of the key
	}
	key := unquote(rawKey)
	return p.fields[key], key
}

// meant returns the field that a key stands for with these options; f is the field of that name, or
// nil.
func (o DecodeOptions) meant(p *plan, f *field, key string) *field {
	if o.Skip[key] {
		return nil
	}
	if name, ok := o.Rename[key]; ok {
		return p.fields[name]
	}
	if f == nil && o.HeaderKeys {
		for _, header := range p.headers {
			if header.name == key {
				return header
			}
		}
	}
	return f
}
