package wire

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// Decode reads the JSON body of a request into m, which must be empty.
//
//   - Keys that the schema does not name are ignored, and so are those of hidden
//     fields, header fields and masks. An array for a body counts as an empty object.
//   - null is an absent value, unless the field is marked not_null or cannot be absent.
//   - Types are strict: "1" is no number and 1 is no string. 1.0 and 1e3 are integers.
//   - A mask marked body_keys is always set. It holds the named fields of m in the order of
//     the body, but only what a change can be about: fields that can be absent, and of those
//     neither request_id nor one that REST reads from a header.
//   - In a part, what an optional key holds of another type, null included, is kept with the
//     keys that the schema does not name.
//   - Texts do not hold the character U+0000. Below raw_json it is an escape like others.
//   - A key must not be named twice in an object that the schema describes. JSON below
//     raw_json is left as it is.
//   - An object or list that the schema describes has at most limits.MaxElements elements.
//
// What is wrong with data is a *[FieldError]; another error means that m is not a
// message of the schema. m is then filled in part.
func Decode(data []byte, m proto.Message) error {
	return DecodeOptions{}.Decode(data, m)
}

// DecodeOptions are what a binding knows beside the body.
type DecodeOptions struct {
	// Skip names keys that mean something else here, as fields that the path sets: they are
	// ignored like unknown ones.
	Skip map[string]bool
	// Rename gives keys that are called otherwise here the names of their fields.
	Rename map[string]string
	// HeaderKeys reads fields marked header from keys of their names, for bindings
	// without headers.
	HeaderKeys bool
	// Checked says that data has passed CheckBody, which then is not done again.
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

// read reads one value into m. The options are those of the outermost object.
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

// find returns the field that a key names, or nil, and the key's text.
func (p *plan) find(rawKey []byte) (*field, string) {
	if f := p.fields[string(rawKey[1:len(rawKey)-1])]; f != nil {
		return f, f.name // the usual case, without a copy of the key
	}
	key := unquote(rawKey)
	return p.fields[key], key
}

// meant returns the field that a key stands for under the options; f is the one of its
// name, if there is one.
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
