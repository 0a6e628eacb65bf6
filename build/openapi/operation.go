package main

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/b2b-protocol/b2b/build/wireschema"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

func (d *describer) operation(b wireschema.Binding, m *protogen.Method) *object {
	text := wireschema.Comment(m.Comments)
	op := obj("summary", wireschema.Summary(text))
	op.set("description", wireschema.Paragraphs(text, wireschema.RequestText(m.Input), d.callers(wireschema.Access(m))))
	op.set("operationId", string(m.Desc.Name()))
	if parameters := d.parameters(b, m); len(parameters) > 0 {
		op.set("parameters", parameters)
	}
	switch {
	case m.Desc.IsStreamingClient():
		op.set("requestBody", d.form(m.Input))
	case b.HasBody:
		body := d.schemas.body(m.Input, b.Vars)
		op.set("requestBody", obj("required", needsBody(m.Input), "content", obj("application/json", obj("schema", body))))
	}
	op.set("responses", d.responses(b, m))
	op.set("security", security(wireschema.Access(m)))
	op.set("x-b2b-access", d.accessExtension(wireschema.Access(m)))
	if name := wireschema.WebSocketName(m); name != "" {
		op.set("x-b2b-websocket", name)
	}
	return op
}

func needsBody(m *protogen.Message) bool {
	return slices.ContainsFunc(m.Fields, func(f *protogen.Field) bool { return wireschema.WireOptions(f).GetNeeded() })
}

// parameters returns the parts of a request outside its body.
func (d *describer) parameters(b wireschema.Binding, m *protogen.Method) []*object {
	var out []*object
	add := func(f *protogen.Field, in, name string, required bool, schema *object) *object {
		p := obj("name", name, "in", in).setIf("description", d.schemas.described(obj(), f).text("description"))
		if required {
			p.set("required", true)
		}
		out = append(out, p.set("schema", schema))
		return p
	}
	for _, name := range b.Vars {
		if f := wireschema.Field(m.Input, name); f != nil {
			add(f, "path", name, true, bounded(d.schemas.one(f, wireschema.Requests), f, wireschema.Requests))
		}
	}
	headers := map[string]*object{}
	for _, f := range m.Input.Fields {
		name := string(f.Desc.Name())
		if header := wireschema.WireOptions(f).GetHeader(); header != "" {
			if p := headers[header]; p != nil { // fields can share a header; each describes a form of it
				p.set("description", p.text("description")+" "+d.schemas.described(obj(), f).text("description"))
			} else {
				headers[header] = add(f, "header", header, false, obj("type", "string"))
			}
		}
		if b.HasBody || slices.Contains(b.Vars, name) || !wireschema.Textual(f) {
			continue
		}
		if f.Desc.IsList() {
			add(f, "query", name, false, bounded(d.schemas.list(f, wireschema.Requests), f, wireschema.Requests)).set("style", "form").set("explode", false)
			continue
		}
		add(f, "query", name, wireschema.WireOptions(f).GetNeeded(), bounded(d.schemas.one(f, wireschema.Requests), f, wireschema.Requests))
	}
	if wireschema.SendsFile(m) {
		out = append(out, obj("name", "Range", "in", "header", "schema", obj("type", "string"), "description", "The range of bytes to return, e.g. `bytes=0-99`."))
	}
	if b.Method == "get" && !wireschema.StreamsEvents(m) {
		out = append(out, refTo("parameters", "IfNoneMatch"))
	}
	if !wireschema.Public(wireschema.Access(m)) {
		out = append(out, refTo("parameters", "OrgId"))
	}
	return out
}

// text returns a member that is a string, or "".
func (o *object) text(key string) string {
	text, _ := o.values[key].(string)
	return text
}

// responses returns the successful response of an operation, those with another status, and one
// response for all errors.
func (d *describer) responses(b wireschema.Binding, m *protogen.Method) *object {
	out := obj()
	options := wireschema.RestOptions(m)
	status := int(options.GetStatus())
	if status == 0 {
		status = 200
	}
	answer := func(status int) *object {
		r := obj("description", wireschema.Comment(m.Output.Comments))
		if status == 200 && !wireschema.StreamsEvents(m) && (b.Method == "get" || options.GetEtag() != "") {
			headers := obj("ETag", refTo("headers", "ETag"))
			if m.Output.Desc.Fields().ByName("next_cursor") != nil {
				headers.set("Link", refTo("headers", "Link"))
			}
			r.set("headers", headers)
		}
		if status != 204 {
			r.set("content", d.content(b, m))
		}
		return r
	}
	out.set(strconv.Itoa(status), answer(status))
	for _, when := range options.GetStatusWhen() {
		other := answer(int(when.GetStatus()))
		other.set("description", fmt.Sprintf("%s Sent when `%s` is `%s`.", other.text("description"), when.GetField(), when.GetEquals()))
		out.set(strconv.Itoa(int(when.GetStatus())), other)
	}
	if wireschema.SendsFile(m) {
		out.set("206", obj("description", "The bytes that Range requestText for.", "content", d.content(b, m)))
	}
	if b.Method == "get" && !wireschema.StreamsEvents(m) {
		out.set("304", refTo("responses", "NotModified"))
	}
	return out.set("default", refTo("responses", "Error"))
}

// form returns the body of a request that streams a file: a form with the part "file", which has
// the name and the media type of the file in its headers.
func (d *describer) form(m *protogen.Message) *object {
	var p properties
	p.add("file", obj("description", wireschema.Comment(m.Comments), "contentMediaType", "application/octet-stream"), true)
	if f := wireschema.Field(m, "request_id"); f != nil {
		p.add("request_id", d.schemas.field(f, wireschema.Requests), false)
	}
	return obj("required", true, "content", obj("multipart/form-data", obj("schema", p.schema(""))))
}

// content returns the body of a successful response by media type.
func (d *describer) content(b wireschema.Binding, m *protogen.Method) *object {
	switch item := wireschema.Field(m.Output, "event"); {
	case wireschema.SendsFile(m):
		return obj("*/*", obj("schema", obj("description", wireschema.Comment(m.Output.Comments))))
	case m.Desc.IsStreamingServer() && item == nil:
		text := "Server-sent events: `data` is an item of the stream. The last event has a name: `resume` (reconnect at once) or `error`, " +
			"and `data` is an Error."
		return obj("text/event-stream", obj("schema", obj("type", "string", "description", text), "x-b2b-data", d.schemas.message(m.Output, wireschema.Responses)))
	case m.Desc.IsStreamingServer():
		text := "Server-sent events: `event` is the type, `data` an Event, `id` the cursor to resume from, as Last-Event-ID. " +
			"Comments are heartbeats. The last event may be `resume` (reconnect at once) or `error` (`data` is an Error)."
		return obj("text/event-stream", obj("schema", obj("type", "string", "description", text), "x-b2b-data", d.schemas.message(item.Message, wireschema.Responses)))
	}
	var body *object
	switch f := b.Response; {
	case f == nil:
		body = d.schemas.message(m.Output, wireschema.Responses)
	case wireschema.Is(f, wireschema.HTTPBody):
		media := wireschema.RestOptions(m).GetMediaType()
		if media == "" {
			media = "*/*"
		}
		return obj(media, obj("schema", obj().setIf("description", wireschema.Comment(f.Comments))))
	default:
		if body = d.schemas.field(f, wireschema.Responses); body.has("$ref") {
			body = obj("$ref", body.values["$ref"])
		}
	}
	return obj("application/json", obj("schema", body))
}

// security returns the credentials that an operation accepts: bots use tokens or the session of
// their owner, humans use sessions.
func security(a *optionsv1.Access) []*object {
	out := []*object{}
	if wireschema.Public(a) {
		return out
	}
	if slices.ContainsFunc(a.GetCallers(), func(c optionsv1.Caller) bool {
		return c == optionsv1.Caller_CALLER_BOT || c == optionsv1.Caller_CALLER_ADMIN_BOT
	}) {
		out = append(out, obj("bearer", []string{}))
	}
	return append(out, obj("session", []string{}))
}

// accessExtension returns the callers and the scope of an operation for programs.
func (d *describer) accessExtension(a *optionsv1.Access) *object {
	var callers []string
	for _, c := range a.GetCallers() {
		callers = append(callers, wireschema.CallerText(c))
	}
	out := obj("callers", callers)
	if a.GetScope() != optionsv1.Scope_SCOPE_UNSPECIFIED {
		out.set("scope", wireschema.ScopeText(a.GetScope()))
	}
	return out
}

// callers returns a sentence that names the callers of an operation and the scope they need, with
// the description of the scope.
func (d *describer) callers(a *optionsv1.Access) string {
	text := wireschema.CallersText(a)
	if !wireschema.Public(a) && a.GetScope() != optionsv1.Scope_SCOPE_UNSPECIFIED {
		text += " " + d.scopes[a.GetScope()]
	}
	return text
}
