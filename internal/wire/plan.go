package wire

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A rule without an option, by the name in the schema.
const (
	jsonPart = "b2b.v1.JsonPart" // its content is an object or array
)

// requestID is a field of the call and not of what it changes, so it is left out of masks.
const requestID = "request_id"

// A shape is the form of a message in wire JSON.
type shape int

const (
	object   shape = iota
	flat           // an object with a "type", of a oneof
	array          // the bare array of its field
	scalar         // the bare value of its field
	arrayish       // the bare array of its first list, or an object with a flag set
)

// A plan describes how one message is read. Plans are made once from the schema.
type plan struct {
	name   protoreflect.FullName
	shape  shape
	fields map[string]*field // by key; those of inlined messages included
	order  []*field          // the same, as the schema has them
	only   *field            // array, scalar, arrayish: the field that stands for all
	flag   protoreflect.FieldDescriptor
	most   int // array: how many elements; 0 means any number

	types   map[string]*field            // flat: the choices of the oneof
	choices string                       // flat: what the type may be, for errors
	extra   protoreflect.FieldDescriptor // flat: takes the keys that nothing else takes

	mask    protoreflect.FieldDescriptor // takes the names of the keys
	headers []*field
}

// plans are the plans of all messages of the schema.
var plans = sync.OnceValue(func() map[protoreflect.FullName]*plan {
	all := make(map[protoreflect.FullName]*plan)
	for _, file := range []protoreflect.FileDescriptor{
		b2bv1.File_b2b_v1_artifact_proto, b2bv1.File_b2b_v1_auth_proto, b2bv1.File_b2b_v1_bot_proto,
		b2bv1.File_b2b_v1_channel_proto, b2bv1.File_b2b_v1_decision_proto, b2bv1.File_b2b_v1_delivery_proto, b2bv1.File_b2b_v1_error_proto,
		b2bv1.File_b2b_v1_event_proto,
		b2bv1.File_b2b_v1_file_proto, b2bv1.File_b2b_v1_lease_proto, b2bv1.File_b2b_v1_list_proto, b2bv1.File_b2b_v1_message_proto, b2bv1.File_b2b_v1_org_proto,
		b2bv1.File_b2b_v1_search_proto, b2bv1.File_b2b_v1_server_proto, b2bv1.File_b2b_v1_settles_proto, b2bv1.File_b2b_v1_thread_proto,
		b2bv1.File_b2b_v1_webhook_proto,
	} {
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			planOf(all, m)
		}
	}
	return all
})

// planFor returns the plan of m.
func planFor(m proto.Message) (*plan, error) {
	p, ok := plans()[m.ProtoReflect().Descriptor().FullName()]
	if !ok {
		return nil, errUnknown(m)
	}
	return p, nil
}

func planOf(all map[protoreflect.FullName]*plan, d protoreflect.MessageDescriptor) *plan {
	if p, ok := all[d.FullName()]; ok {
		return p
	}
	p := &plan{name: d.FullName(), fields: make(map[string]*field)}
	all[d.FullName()] = p
	opts := proto.GetExtension(d.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
	for i := range d.Fields().Len() {
		p.add(all, d.Fields().Get(i))
	}
	switch {
	case opts.GetList():
		p.shape, p.only = array, p.order[0]
		p.most = mostOf(p.only.desc)
	case opts.GetScalar():
		p.shape, p.only = scalar, p.order[0]
	case opts.GetBareUnless() != "":
		p.shape = arrayish
		p.only = p.order[slices.IndexFunc(p.order, func(f *field) bool { return f.desc.IsList() })]
		p.flag = d.Fields().ByName(protoreflect.Name(opts.GetBareUnless()))
	case p.types != nil:
		p.shape = flat
	}
	return p
}

// mostOf returns how many elements a list may have; 0 if it has no limit of its own.
func mostOf(d protoreflect.FieldDescriptor) int {
	limit := proto.GetExtension(d.Options(), optionsv1.E_Limit).(*optionsv1.Limited).GetOf()
	if limit == optionsv1.Limit_LIMIT_UNSPECIFIED {
		return 0
	}
	value := limit.Descriptor().Values().ByNumber(limit.Number())
	return int(proto.GetExtension(value.Options(), optionsv1.E_Bound).(*optionsv1.Bound).GetMost())
}

func (p *plan) add(all map[protoreflect.FullName]*plan, d protoreflect.FieldDescriptor) {
	opts := proto.GetExtension(d.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
	switch oneof := d.ContainingOneof(); {
	case opts.GetBodyKeys():
		p.mask = d
		return
	case opts.GetHidden():
		return
	case opts.GetExtraKeys():
		p.extra = d
		return
	case oneof != nil && !oneof.IsSynthetic():
		if p.types == nil {
			p.types = make(map[string]*field)
			p.choices = "must be one of "
		} else {
			p.choices += ", "
		}
		p.choices += string(d.Name())
		p.types[string(d.Name())] = newField(all, d, opts)
		return
	}
	f := newField(all, d, opts)
	switch {
	case f == nil:
	case opts.GetHeader() != "":
		p.headers = append(p.headers, f)
	case opts.GetInline():
		for _, inner := range f.message.order {
			inlined := *inner
			inlined.inside = append([]protoreflect.FieldDescriptor{d}, inner.inside...)
			p.put(&inlined)
		}
	default:
		p.put(f)
	}
}

func (p *plan) put(f *field) {
	p.fields[f.name] = f
	p.order = append(p.order, f)
}

// A kind is how one value is read.
type kind int

const (
	text kind = iota
	rawJSON
	anyToText
	boolean
	integer32
	integer64
	double
	enumText
	milliseconds
	textMap
	message
)

// A field describes how one key is read.
type field struct {
	desc   protoreflect.FieldDescriptor
	name   string
	inside []protoreflect.FieldDescriptor // the inlined messages around it
	kind   kind
	want   string // the rule that a value of another type breaks

	changes   bool // a mask names it
	notNull   bool // null is an error instead of absent
	omit      bool // absent is a key left out
	container bool // rawJSON: an object or array
	header    string

	enum    map[string]protoreflect.EnumNumber
	message *plan
}

// newField returns the plan of a field; nil if the field is not part of wire JSON.
func newField(all map[protoreflect.FullName]*plan, d protoreflect.FieldDescriptor, opts *optionsv1.Wire) *field {
	f := &field{
		desc: d, name: string(d.Name()), header: opts.GetHeader(), omit: opts.GetOmitAbsent(),
		notNull:   opts.GetNotNull() || !d.HasPresence(),
		changes:   d.HasPresence() && d.Name() != requestID && opts.GetHeader() == "",
		container: d.ContainingMessage().FullName() == jsonPart,
	}
	switch d.Kind() {
	case protoreflect.StringKind:
		f.kind, f.want = text, "must be a string"
		if opts.GetRawJson() {
			f.kind, f.want = rawJSON, "must not be null"
		}
		if f.container {
			f.want = "must be an object or array"
		}
		if opts.GetAnyToText() {
			f.kind = anyToText
		}
	case protoreflect.BoolKind:
		f.kind, f.want = boolean, "must be true or false"
	case protoreflect.Int32Kind:
		f.kind, f.want = integer32, "must be an integer"
	case protoreflect.Int64Kind:
		f.kind, f.want = integer64, "must be an integer"
	case protoreflect.DoubleKind:
		f.kind, f.want = double, "must be a number"
	case protoreflect.EnumKind:
		f.kind = enumText
		f.enum, f.want = enumTexts(d.Enum())
	case protoreflect.MessageKind:
		switch {
		case d.IsMap():
			f.kind, f.want = textMap, "must be an object of strings"
		case d.Message().FullName() == (*timestamppb.Timestamp)(nil).ProtoReflect().Descriptor().FullName():
			f.kind, f.want = milliseconds, "must be an integer, Unix milliseconds"
		case d.Message().ParentFile().Package() != d.ParentFile().Package():
			return nil
		default:
			f.kind, f.message = message, planOf(all, d.Message())
			f.want = f.message.want()
		}
	default:
		panic(fmt.Sprintf("wire: %s: %v has no form as wire JSON", d.FullName(), d.Kind()))
	}
	return f
}

// want returns the rule that JSON of another type breaks.
func (p *plan) want() string {
	switch p.shape {
	case array:
		if p.only.kind == text {
			return "must be an array of strings"
		}
		return "must be an array"
	case scalar:
		return p.only.want
	}
	return "must be an object"
}

// enumTexts returns the values of an enum by their texts in wire JSON, and the rule that other
// texts break.
func enumTexts(d protoreflect.EnumDescriptor) (map[string]protoreflect.EnumNumber, string) {
	values := d.Values()
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	texts := make(map[string]protoreflect.EnumNumber, values.Len())
	var names []string
	for i := 1; i < values.Len(); i++ {
		name := strings.TrimPrefix(string(values.Get(i).Name()), prefix)
		if d.Name() != "ErrorCode" {
			name = strings.ToLower(name)
		}
		texts[name] = values.Get(i).Number()
		names = append(names, name)
	}
	return texts, "must be one of " + strings.Join(names, ", ")
}
