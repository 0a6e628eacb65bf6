package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/build/wireschema"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// newAPI reads the schema.
func newAPI(files []*protogen.File) (*api, error) {
	r := &reader{api: &api{}, known: make(map[string]*definition)}
	var event *protogen.Message
	for _, file := range files {
		if file.Desc.Package() != wireschema.Package {
			continue
		}
		r.connectFile(file)
		for _, s := range file.Services {
			for _, m := range s.Methods {
				if err := r.operation(m); err != nil {
					return nil, fmt.Errorf("%s: %w", m.Desc.FullName(), err)
				}
			}
		}
		for _, m := range file.Messages {
			if m.Desc.Name() == "Event" {
				event = m
			}
		}
		for _, e := range file.Enums {
			if e.Desc.Name() == "ErrorCode" {
				r.enum(e)
				r.errors(e)
			}
		}
	}
	if event == nil {
		return nil, fmt.Errorf("the schema has no Event")
	}
	if _, err := r.message(event, wireschema.Responses); err != nil {
		return nil, err
	}
	r.webhooks(event)
	return r.api, r.unique()
}

// A reader collects the API from the schema.
type reader struct {
	api   *api
	known map[string]*definition
}

// add adds a type after those that it refers to.
func (r *reader) add(d *definition) *definition {
	r.api.types = append(r.api.types, d)
	r.known[d.name] = d
	return d
}

// operation adds the operation of the first HTTP rule of a method. Others are names for old
// clients.
func (r *reader) operation(m *protogen.Method) error {
	rule := proto.GetExtension(m.Desc.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule.GetPattern() == nil {
		return nil // not over REST
	}
	b, err := wireschema.NewBinding(rule, m)
	if err != nil {
		return err
	}
	o := operation{name: string(m.Desc.Name()), method: strings.ToUpper(b.Method), path: b.Path}
	about := wireschema.RequestText(m.Input)
	if m.Desc.IsStreamingClient() {
		about = "" // of one message of the stream, which REST does not have
	}
	o.doc = wireschema.Paragraphs(wireschema.Comment(m.Comments), about,
		"`"+o.method+" "+o.path+"`. "+wireschema.CallersText(wireschema.Access(m)))
	for _, name := range b.Vars {
		f := wireschema.Field(m.Input, name)
		if f == nil {
			return fmt.Errorf("the path has the variable %q, which is no field of %s", name, m.Input.Desc.Name())
		}
		s, err := r.one(f, wireschema.Requests)
		if err != nil {
			return err
		}
		o.vars = append(o.vars, member{name: name, doc: wireschema.FieldText(f), shape: s})
	}
	switch {
	case m.Desc.IsStreamingClient():
		o.in = inForm
	case b.HasBody:
		o.in = inBody
	}
	if o.fields, err = r.fields(m.Input, b, o.in); err != nil {
		return err
	}
	if err := r.result(&o, b, m); err != nil {
		return err
	}
	for _, when := range wireschema.RestOptions(m).GetStatusWhen() {
		if when.GetStatus() >= 400 {
			o.accepts = append(o.accepts, when.GetStatus())
		}
	}
	o.once = o.method != "GET" && wireschema.Field(m.Input, "request_id") != nil
	if o.result == jsonResult && o.method == "GET" {
		if o.pages, err = r.pages(m); err != nil {
			return err
		}
	}
	r.api.operations = append(r.api.operations, o)
	return nil
}

// fields adds the type of the fields that a caller gives by name.
func (r *reader) fields(m *protogen.Message, b wireschema.Binding, in place) (*definition, error) {
	d := &definition{name: string(m.Desc.Name()), request: true}
	if in != inForm {
		d.doc = wireschema.RequestText(m)
	}
	members, err := r.members(m, wireschema.Requests, b.Vars)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Fields {
		if header := wireschema.WireOptions(f).GetHeader(); header != "" {
			s, err := r.value(f, wireschema.Requests)
			if err != nil {
				return nil, err
			}
			s.null = false
			members = append(members, member{
				name: string(f.Desc.Name()), doc: wireschema.FieldText(f), shape: s, optional: true, header: header,
			})
		}
	}
	for _, one := range members {
		f := wireschema.Field(m, one.name)
		if in == inQuery && one.header == "" && !wireschema.Textual(f) {
			return nil, fmt.Errorf("%s: a query cannot have this field", f.Desc.FullName())
		}
		if in != inBody { // only JSON has null
			one.shape.null = false
		}
		d.members = append(d.members, one)
	}
	return r.add(d), nil
}

// result sets what an operation returns.
func (r *reader) result(o *operation, b wireschema.Binding, m *protogen.Method) (err error) {
	options := wireschema.RestOptions(m)
	switch f := b.Response; {
	case wireschema.SendsFile(m):
		o.result = bytesResult
	case wireschema.StreamsEvents(m):
		o.result = eventsResult
	case options.GetStatus() == 204:
		o.result = noResult
	case f == nil:
		o.shape, err = r.message(m.Output, wireschema.Responses)
	case wireschema.Is(f, wireschema.HTTPBody) && options.GetMediaType() == "application/json":
		o.shape = shape{kind: anything}
	case wireschema.Is(f, wireschema.HTTPBody):
		o.result = textResult
	default:
		o.shape, err = r.value(f, wireschema.Responses)
	}
	return err
}

// pages returns how to read all entries of a list; nil if the result is none, or is always whole.
//
// The next page has a token of the response in the field by of the request: next_cursor, which
// may also be in the header Link, or cursor. Without one, the next page begins at an offset.
func (r *reader) pages(m *protogen.Method) (*pages, error) {
	p := new(pages)
	token := wireschema.Field(m.Output, "next_cursor")
	if token == nil {
		token = wireschema.Field(m.Output, "cursor")
	}
	for _, name := range []string{"cursor", "before", "offset"} {
		if p.by == "" && wireschema.Field(m.Input, name) != nil && (token != nil) == (name != "offset") {
			p.by = name
		}
	}
	i := slices.IndexFunc(m.Output.Fields, func(f *protogen.Field) bool { return f.Desc.IsList() })
	if p.by == "" || i < 0 {
		return nil, nil
	}
	list, err := r.list(m.Output.Fields[i], wireschema.Responses)
	if err != nil {
		return nil, err
	}
	p.entry = *list.of
	rule := proto.GetExtension(m.Desc.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule.GetResponseBody() == "" && !wireschema.MessageOptions(m.Output).GetList() {
		p.key = string(m.Output.Fields[i].Desc.Name())
	}
	p.newestFirst = wireschema.MessageOptions(m.Output).GetBareUnless() != "" && wireschema.Field(m.Input, "before") != nil
	name, ok := strings.CutPrefix(string(m.Desc.Name()), "List")
	if p.name = name; !ok {
		p.name = p.entry.name + "s"
	}
	return p, nil
}

// errors adds the catalogue.
func (r *reader) errors(e *protogen.Enum) {
	for _, v := range e.Values[1:] {
		spec := proto.GetExtension(v.Desc.Options(), optionsv1.E_Error).(*optionsv1.ErrorSpec)
		code := wireschema.EnumText(e, v)
		r.api.errors = append(r.api.errors, errorCode{
			code: code, name: wireschema.Pascal(strings.ToLower(code)), doc: wireschema.Comment(v.Comments),
			status: spec.GetHttpStatus(), retryable: spec.GetRetryable(),
		})
	}
}

// connectFile adds the names that a file of the schema declares.
func (r *reader) connectFile(f *protogen.File) {
	c := connectFile{base: strings.TrimSuffix(f.Desc.Path()[strings.LastIndex(f.Desc.Path(), "/")+1:], ".proto")}
	for _, m := range f.Messages {
		c.messages = append(c.messages, string(m.Desc.Name()))
	}
	for _, e := range f.Enums {
		c.enums = append(c.enums, string(e.Desc.Name()))
	}
	for _, s := range f.Services {
		c.services = append(c.services, string(s.Desc.Name()))
	}
	r.api.connect = append(r.api.connect, c)
}

// reserved are the names of parameters that every method has.
var reserved = map[string]bool{"timeout": true, "headers": true, "on_response": true, "self": true, "file": true, "transport": true, "options": true}

// unique reports names that a client could not declare beside each other.
func (r *reader) unique() error {
	names := make(map[string]bool)
	for _, d := range r.api.types {
		if names[d.name] {
			return fmt.Errorf("two types have the name %s", d.name)
		}
		names[d.name] = true
	}
	for _, e := range r.api.errors {
		if names[e.name] {
			return fmt.Errorf("a type and the class of the error %s have the name %s", e.code, e.name)
		}
		names[e.name] = true
	}
	iterators := make(map[string]bool)
	for _, o := range r.api.operations {
		if p := o.pages; p != nil {
			if iterators[tsEach(p.name)] {
				return fmt.Errorf("two lists have the iterator %s", tsEach(p.name))
			}
			iterators[tsEach(p.name)] = true
		}
		for _, m := range append(o.vars, o.fields.members...) {
			if reserved[m.name] {
				return fmt.Errorf("%s: the name of the field %s is that of a parameter of every method", o.name, m.name)
			}
		}
	}
	return nil
}
