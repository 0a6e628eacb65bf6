package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// variables matches the variables of a path.
var variables = regexp.MustCompile(`\{([^{}]+)\}`)

// A binding is one HTTP rule of an RPC.
type binding struct {
	method   string // in lower case, as in OpenAPI
	path     string
	vars     []string
	hasBody  bool            // the request message is the body
	response *protogen.Field // the part of the response that is written; nil: all of it
}

func newBinding(rule *annotations.HttpRule, m *protogen.Method) (binding, error) {
	b := binding{hasBody: rule.GetBody() == "*"}
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		b.method, b.path = "get", p.Get
	case *annotations.HttpRule_Put:
		b.method, b.path = "put", p.Put
	case *annotations.HttpRule_Post:
		b.method, b.path = "post", p.Post
	case *annotations.HttpRule_Delete:
		b.method, b.path = "delete", p.Delete
	case *annotations.HttpRule_Patch:
		b.method, b.path = "patch", p.Patch
	default:
		return b, fmt.Errorf("the HTTP rule has a method that OpenAPI does not have: %v", rule.GetPattern())
	}
	for _, v := range variables.FindAllStringSubmatch(b.path, -1) {
		b.vars = append(b.vars, v[1])
	}
	if name := rule.GetResponseBody(); name != "" {
		if b.response = field(m.Output, name); b.response == nil {
			return b, fmt.Errorf("response_body: %s has no field %q", m.Output.Desc.Name(), name)
		}
	}
	return b, nil
}

func field(m *protogen.Message, name string) *protogen.Field {
	i := slices.IndexFunc(m.Fields, func(f *protogen.Field) bool { return string(f.Desc.Name()) == name })
	if i < 0 {
		return nil
	}
	return m.Fields[i]
}

func (d *describer) operation(b binding, m *protogen.Method) *object {
	text := commentText(m.Comments)
	op := obj("summary", summary(text))
	op.set("description", paragraphs(text, requestText(m.Input), d.callers(access(m))))
	op.set("operationId", string(m.Desc.Name()))
	if parameters := d.parameters(b, m); len(parameters) > 0 {
		op.set("parameters", parameters)
	}
	switch {
	case m.Desc.IsStreamingClient():
		op.set("requestBody", d.form(m.Input))
	case b.hasBody:
		body := d.schemas.body(m.Input, b.vars)
		op.set("requestBody", obj("required", needsBody(m.Input), "content", obj("application/json", obj("schema", body))))
	}
	op.set("responses", d.responses(b, m))
	op.set("security", security(access(m)))
	op.set("x-b2b-access", d.accessExtension(access(m)))
	if name := websocketName(m); name != "" {
		op.set("x-b2b-websocket", name)
	}
	return op
}

func needsBody(m *protogen.Message) bool {
	return slices.ContainsFunc(m.Fields, func(f *protogen.Field) bool { return wireOptions(f).GetNeeded() })
}

// parameters returns the parts of a request outside its body.
func (d *describer) parameters(b binding, m *protogen.Method) []*object {
	var out []*object
	add := func(f *protogen.Field, in, name string, required bool, schema *object) *object {
		p := obj("name", name, "in", in).setIf("description", d.schemas.described(obj(), f).text("description"))
		if required {
			p.set("required", true)
		}
		out = append(out, p.set("schema", schema))
		return p
	}
	for _, name := range b.vars {
		if f := field(m.Input, name); f != nil {
			add(f, "path", name, true, bounded(d.schemas.one(f, requests), f, requests))
		}
	}
	for _, f := range m.Input.Fields {
		name := string(f.Desc.Name())
		if header := wireOptions(f).GetHeader(); header != "" {
			add(f, "header", header, false, obj("type", "string"))
		}
		if b.hasBody || slices.Contains(b.vars, name) || !textual(f) {
			continue
		}
		if f.Desc.IsList() {
			add(f, "query", name, false, bounded(d.schemas.list(f, requests), f, requests)).set("style", "form").set("explode", false)
			continue
		}
		add(f, "query", name, wireOptions(f).GetNeeded(), bounded(d.schemas.one(f, requests), f, requests))
	}
	if sendsFile(m) {
		out = append(out, obj("name", "Range", "in", "header", "schema", obj("type", "string"), "description", "The range of bytes to return, e.g. `bytes=0-99`."))
	}
	if b.method == "get" && !streamsEvents(m) {
		out = append(out, refTo("parameters", "IfNoneMatch"))
	}
	if !public(access(m)) {
		out = append(out, refTo("parameters", "OrgId"))
	}
	return out
}

// text returns a member that is a string, or "".
func (o *object) text(key string) string {
	text, _ := o.values[key].(string)
	return text
}

// textual reports whether a plain string can represent a value of the field.
func textual(f *protogen.Field) bool {
	options := wireOptions(f)
	if options.GetHidden() || options.GetBodyKeys() || options.GetRawJson() || options.GetAnyToText() {
		return false
	}
	switch f.Desc.Kind() {
	case protoreflect.StringKind:
		return true
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.EnumKind:
		return !f.Desc.IsList()
	}
	return is(f, timestamp)
}

// responses returns the successful response of an operation, those with another status, and one
// response for all errors.
func (d *describer) responses(b binding, m *protogen.Method) *object {
	out := obj()
	options := restOptions(m)
	status := int(options.GetStatus())
	if status == 0 {
		status = 200
	}
	answer := func(status int) *object {
		r := obj("description", commentText(m.Output.Comments))
		if status == 200 && !streamsEvents(m) && (b.method == "get" || options.GetEtag() != "") {
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
	if sendsFile(m) {
		out.set("206", obj("description", "The bytes that Range requestText for.", "content", d.content(b, m)))
	}
	if b.method == "get" && !streamsEvents(m) {
		out.set("304", refTo("responses", "NotModified"))
	}
	return out.set("default", refTo("responses", "Error"))
}

// sendsFile reports whether a method streams the bytes of a file, which REST writes as the body.
func sendsFile(m *protogen.Method) bool {
	return m.Desc.IsStreamingServer() && slices.ContainsFunc(m.Output.Fields, func(f *protogen.Field) bool {
		return f.Desc.Kind() == protoreflect.BytesKind
	})
}

// streamsEvents reports whether a method streams anything else, which REST writes as server-sent
// events.
func streamsEvents(m *protogen.Method) bool { return m.Desc.IsStreamingServer() && !sendsFile(m) }

// form returns the body of a request that streams a file: a form with the part "file", which has
// the name and the media type of the file in its headers.
func (d *describer) form(m *protogen.Message) *object {
	var p properties
	p.add("file", obj("description", commentText(m.Comments), "contentMediaType", "application/octet-stream"), true)
	if f := field(m, "request_id"); f != nil {
		p.add("request_id", d.schemas.field(f, requests), false)
	}
	return obj("required", true, "content", obj("multipart/form-data", obj("schema", p.schema(""))))
}

// content returns the body of a successful response by media type.
func (d *describer) content(b binding, m *protogen.Method) *object {
	switch item := field(m.Output, "event"); {
	case sendsFile(m):
		return obj("*/*", obj("schema", obj("description", commentText(m.Output.Comments))))
	case m.Desc.IsStreamingServer() && item == nil:
		d.schemas.fail("%s streams neither bytes nor events", m.Desc.FullName())
	case m.Desc.IsStreamingServer():
		text := "Server-sent events: `event` is the type, `data` an Event, `id` the cursor to resume from, as Last-Event-ID. " +
			"Comments are heartbeats. The last event may be `resume` (reconnect at once) or `error` (`data` is an Error)."
		return obj("text/event-stream", obj("schema", obj("type", "string", "description", text), "x-b2b-data", d.schemas.message(item.Message, responses)))
	}
	var body *object
	switch f := b.response; {
	case f == nil:
		body = d.schemas.message(m.Output, responses)
	case is(f, httpBody):
		media := restOptions(m).GetMediaType()
		if media == "" {
			media = "*/*"
		}
		return obj(media, obj("schema", obj().setIf("description", commentText(f.Comments))))
	default:
		if body = d.schemas.field(f, responses); body.has("$ref") {
			body = obj("$ref", body.values["$ref"])
		}
	}
	return obj("application/json", obj("schema", body))
}

func public(a *optionsv1.Access) bool {
	return slices.Contains(a.GetCallers(), optionsv1.Caller_CALLER_NOBODY)
}

// security returns the credentials that an operation accepts: bots use tokens or the session of
// their owner, humans use sessions.
func security(a *optionsv1.Access) []*object {
	out := []*object{}
	if public(a) {
		return out
	}
	if slices.ContainsFunc(a.GetCallers(), func(c optionsv1.Caller) bool {
		return c == optionsv1.Caller_CALLER_BOT || c == optionsv1.Caller_CALLER_ADMIN_BOT
	}) {
		out = append(out, obj("bearer", []string{}))
	}
	return append(out, obj("session", []string{}))
}

func callerText(c optionsv1.Caller) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "CALLER_"))
}

func scopeText(s optionsv1.Scope) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SCOPE_"))
}

// accessExtension returns the callers and the scope of an operation for programs.
func (d *describer) accessExtension(a *optionsv1.Access) *object {
	var callers []string
	for _, c := range a.GetCallers() {
		callers = append(callers, callerText(c))
	}
	out := obj("callers", callers)
	if a.GetScope() != optionsv1.Scope_SCOPE_UNSPECIFIED {
		out.set("scope", scopeText(a.GetScope()))
	}
	return out
}

// callers returns a sentence that names the callers of an operation and the scope they need.
func (d *describer) callers(a *optionsv1.Access) string {
	if public(a) {
		return "Anyone may call this, without a credential."
	}
	var kinds []string
	for _, c := range a.GetCallers() {
		kinds = append(kinds, strings.ReplaceAll(callerText(c), "_", " ")+"s")
	}
	text := "Callers: " + strings.Join(kinds, ", ") + "."
	if a.GetScope() != optionsv1.Scope_SCOPE_UNSPECIFIED {
		text += fmt.Sprintf(" Scope of a bot's token: `%s`. %s", scopeText(a.GetScope()), d.scopes[a.GetScope()])
	}
	return text
}
