package wire

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A member is one key of an object that is read out of order.
type member struct {
	rawKey, value []byte
	key           string
	taken         bool
}

// readFlat reads a message that consists of a oneof: "type" selects the choice, and the fields of
// the choice are in the same object as the fields that all choices have.
func (p *plan) readFlat(m protoreflect.Message, raw []byte) *FieldError {
	var keys keySet
	var all []member
	var chosen *field
	for rawKey, value := range members(raw) {
		key := unquote(rawKey)
		if fault := keys.add(key); fault != nil {
			return fault
		}
		if key == "type" {
			if value[0] == '"' {
				chosen = p.types[unquote(value)]
			}
			continue
		}
		all = append(all, member{rawKey: rawKey, value: value, key: key})
	}
	if chosen == nil {
		return wants("%s", p.choices).in("type")
	}
	if len(p.fields) > 0 {
		of := func(common bool) func(member) bool {
			return func(one member) bool { return (p.fields[one.key] != nil) != common }
		}
		if fault := p.readMembers(m, slices.DeleteFunc(slices.Clone(all), of(true))); fault != nil {
			return fault
		}
		all = slices.DeleteFunc(all, of(false))
	}
	inner := m.Mutable(chosen.desc).Message()
	if p.extra == nil {
		return chosen.message.readMembers(inner, all)
	}
	if fault := chosen.message.readKnown(inner, all); fault != nil {
		return fault
	}
	if extra := extraOf(all); extra != "" {
		m.Set(p.extra, protoreflect.ValueOfString(extra))
	}
	return nil
}

// readMembers reads the members that are fields and skips the others.
func (p *plan) readMembers(m protoreflect.Message, all []member) *FieldError {
	for _, one := range all {
		f := p.fields[one.key]
		if f == nil {
			continue
		}
		if fault := f.read(m, one.value); fault != nil {
			return fault.in(one.key)
		}
	}
	return nil
}

// readKnown reads the fields in the order of the schema. Fields with the option not_null must be
// present and valid; any other field is read only if it is valid, and otherwise kept with the extra
// keys, so that it is returned as the client sent it.
func (p *plan) readKnown(m protoreflect.Message, all []member) *FieldError {
	for _, f := range p.order {
		one := find(all, f.name)
		switch {
		case one == nil && f.notNull:
			return wants("%s", f.want).in(f.name)
		case one == nil, isNull(one.value) && !f.notNull:
			continue
		}
		fault := f.read(m, one.value)
		if fault != nil && f.notNull {
			return fault.in(f.name)
		}
		one.taken = fault == nil
	}
	return nil
}

func find(all []member, key string) *member {
	for i := range all {
		if all[i].key == key {
			return &all[i]
		}
	}
	return nil
}

// extraOf returns a JSON object of the members that are not taken, or "".
func extraOf(all []member) string {
	var b strings.Builder
	for _, one := range all {
		if one.taken {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.Write(one.rawKey)
		b.WriteByte(':')
		b.Write(one.value)
	}
	if b.Len() == 0 {
		return ""
	}
	b.WriteByte('}')
	return b.String()
}
