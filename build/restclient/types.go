package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/build/wireschema"
)

// message returns the shape of a message, and adds its type when it has one of its own.
func (r *reader) message(m *protogen.Message, to wireschema.Direction) (shape, error) {
	options := wireschema.MessageOptions(m)
	switch {
	case options.GetList():
		return r.list(m.Fields[0], to)
	case options.GetScalar():
		s, err := r.one(m.Fields[0], to)
		s.null = true
		return s, err
	}
	name := string(m.Desc.Name())
	if to == wireschema.Requests && !wireschema.KeepsExtra(m) {
		name += "Input"
	}
	out := shape{kind: named, name: name}
	if r.known[name] != nil {
		return out, nil
	}
	if oneof := wireschema.FlatOneof(m); oneof != nil {
		return out, r.union(name, m, oneof, to)
	}
	members, err := r.members(m, to, nil)
	if err != nil {
		return out, err
	}
	doc := wireschema.Comment(m.Comments)
	if options.GetBareUnless() == "" {
		r.add(&definition{name: name, doc: doc, members: members, request: to == wireschema.Requests})
		return out, nil
	}
	i := slices.IndexFunc(m.Fields, func(f *protogen.Field) bool { return f.Desc.IsList() })
	bare, err := r.list(m.Fields[i], to)
	if err != nil {
		return out, err
	}
	page := r.add(&definition{name: strings.TrimSuffix(name, "Response") + "Page", doc: "A page of the list.", members: members})
	r.add(&definition{name: name, doc: doc, choices: []shape{bare, {kind: named, name: page.name}}})
	return out, nil
}

// union adds the type of a message with a oneof: an object for each choice, distinguished by the
// member type.
func (r *reader) union(name string, m *protogen.Message, oneof *protogen.Oneof, to wireschema.Direction) error {
	all := &definition{name: name, doc: wireschema.Comment(m.Comments)}
	keeps := wireschema.KeepsExtra(m)
	for _, f := range oneof.Fields {
		if m.Desc.Name() == "Event" && !wireschema.Delivered(f) {
			continue
		}
		kind := string(f.Desc.Name())
		one := &definition{name: wireschema.Pascal(kind) + string(m.Desc.Name()), doc: wireschema.Comment(f.Comments), open: keeps}
		one.members = []member{{name: "type", shape: shape{kind: literal, name: kind}}}
		common, err := r.members(m, to, nil)
		if err != nil {
			return err
		}
		one.members = append(one.members, common...)
		own, err := r.choice(f.Message, to, keeps)
		if err != nil {
			return err
		}
		one.members = append(one.members, own...)
		if m.Desc.Name() == "Event" { // bindings add the position in the stream
			one.members = append(one.members, member{
				name: "cursor", shape: shape{kind: text}, optional: true,
				doc: "The position after this event, from which a client can resume. Absent for events that are not stored.",
			})
		}
		r.add(one)
		all.choices = append(all.choices, shape{kind: named, name: one.name})
	}
	r.add(all)
	return nil
}

// choice returns the members of a choice. A message that keeps unknown keys as they were sent
// keeps its optional ones with any type, too.
func (r *reader) choice(m *protogen.Message, to wireschema.Direction, keeps bool) ([]member, error) {
	if !keeps {
		return r.members(m, to, nil)
	}
	var out []member
	for _, f := range m.Fields {
		if !wireschema.WireOptions(f).GetNotNull() {
			out = append(out, member{
				name: string(f.Desc.Name()), doc: wireschema.Comment(f.Comments) + " Stored as it was sent, with any type.",
				shape: shape{kind: anything}, optional: true,
			})
			continue
		}
		s, err := r.one(f, wireschema.Requests)
		if err != nil {
			return nil, err
		}
		out = append(out, member{name: string(f.Desc.Name()), doc: wireschema.FieldText(f), shape: s})
	}
	return out, nil
}

// webhooks adds the types of the events in the form in which webhooks receive them.
func (r *reader) webhooks(event *protogen.Message) {
	all := &definition{name: "Webhook", doc: "An event in the form in which webhooks receive it."}
	for _, f := range wireschema.FlatOneof(event).Fields {
		if !wireschema.WireOptions(f).GetWebhook() {
			continue
		}
		name := wireschema.Pascal(string(f.Desc.Name()))
		r.add(&definition{
			name: name + "Webhook", base: name + "Event", doc: wireschema.Comment(f.Comments),
			members: []member{{name: "webhook_version", shape: shape{kind: literal, name: "1"}}},
		})
		all.choices = append(all.choices, shape{kind: named, name: name + "Webhook"})
	}
	if len(all.choices) > 0 {
		r.add(all)
	}
}

// members returns the members of the JSON object of a message, except those of its oneof and those
// with a name in skip.
func (r *reader) members(m *protogen.Message, to wireschema.Direction, skip []string) (out []member, err error) {
	oneof := wireschema.FlatOneof(m)
	for _, f := range m.Fields {
		options := wireschema.WireOptions(f)
		name := string(f.Desc.Name())
		switch {
		case f.Oneof != nil && f.Oneof == oneof, wireschema.Unwritten(f), options.GetExtraKeys(), slices.Contains(skip, name):
		case options.GetInline():
			inner, err := r.members(f.Message, to, nil)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		default:
			one := member{name: name, doc: wireschema.FieldText(f)}
			if one.shape, err = r.value(f, to); err != nil {
				return nil, err
			}
			if to == wireschema.Requests {
				one.optional = !options.GetNeeded()
			} else {
				one.optional = options.GetOmitAbsent() && f.Desc.HasPresence()
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// value returns the shape of a field, with null if the field may be null.
func (r *reader) value(f *protogen.Field, to wireschema.Direction) (out shape, err error) {
	switch {
	case f.Desc.IsMap():
		out = shape{kind: texts}
	case f.Desc.IsList():
		out, err = r.list(f, to)
	default:
		out, err = r.one(f, to)
	}
	out.null = out.null || wireschema.MayBeNull(f, to)
	return out, err
}

func (r *reader) list(f *protogen.Field, to wireschema.Direction) (shape, error) {
	of, err := r.one(f, to)
	return shape{kind: list, of: &of}, err
}

// one returns the shape of one value of a field.
func (r *reader) one(f *protogen.Field, to wireschema.Direction) (shape, error) {
	options := wireschema.WireOptions(f)
	switch f.Desc.Kind() {
	case protoreflect.StringKind:
		switch {
		case options.GetRawJson() && f.Parent.Desc.Name() == "JsonPart":
			return shape{kind: container}, nil
		case options.GetRawJson(), options.GetAnyToText() && to == wireschema.Requests:
			return shape{kind: anything}, nil
		}
		return shape{kind: text}, nil
	case protoreflect.BoolKind:
		return shape{kind: boolean}, nil
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return shape{kind: integer}, nil
	case protoreflect.DoubleKind:
		return shape{kind: number}, nil
	case protoreflect.EnumKind:
		return r.enum(f.Enum), nil
	case protoreflect.MessageKind:
		if wireschema.Is(f, wireschema.Timestamp) {
			return shape{kind: integer}, nil
		}
		return r.message(f.Message, to)
	}
	return shape{}, fmt.Errorf("%s: %v has no form as wire JSON", f.Desc.FullName(), f.Desc.Kind())
}

// enum returns the shape of an enum, and adds its type.
func (r *reader) enum(e *protogen.Enum) shape {
	name := string(e.Desc.Name())
	if r.known[name] == nil {
		d := &definition{name: name, doc: wireschema.Comment(e.Comments)}
		for _, v := range e.Values[1:] {
			d.values = append(d.values, value{wireschema.EnumText(e, v), wireschema.Comment(v.Comments)})
		}
		r.add(d)
	}
	return shape{kind: named, name: name}
}
