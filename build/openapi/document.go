package main

import (
	_ "embed"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/build/wireschema"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

//go:embed intro.md
var intro string

// A describer builds the document.
type describer struct {
	schemas *schemas
	scopes  map[optionsv1.Scope]string // descriptions of the scopes
	paths   *object
	ids     map[string]bool   // of operations, to find duplicates
	shapes  map[string]string // paths without the names of their variables, see addPath
}

// describe returns the document of all services of the schema.
func describe(p *protogen.Plugin, version string) (*object, error) {
	d := &describer{
		schemas: newSchemas(), scopes: make(map[optionsv1.Scope]string), paths: obj(),
		ids: make(map[string]bool), shapes: make(map[string]string),
	}
	var tags []*object
	for _, file := range p.Files {
		for _, e := range file.Enums {
			if e.Desc.FullName() == "b2b.options.v1.Scope" {
				for _, v := range e.Values[1:] {
					d.scopes[optionsv1.Scope(v.Desc.Number())] = wireschema.Comment(v.Comments)
				}
			}
		}
	}
	for _, file := range p.Files {
		if file.Desc.Package() != wireschema.Package {
			continue
		}
		for _, service := range file.Services {
			bound := false
			for _, m := range service.Methods {
				some, err := d.method(service, m)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", m.Desc.FullName(), err)
				}
				bound = bound || some
			}
			if bound {
				tags = append(tags, obj("name", tagOf(service), "description", wireschema.Comment(service.Comments)))
			}
		}
	}
	webhooks, err := d.roots(p.Files)
	if err != nil {
		return nil, err
	}
	components := d.components()
	if d.schemas.err != nil {
		return nil, d.schemas.err
	}
	return obj(
		"openapi", "3.1.0",
		"info", obj(
			"title", "B2B protocol", "version", version, "summary", "Bot-to-bot messaging, threads and artifacts over REST",
			"description", strings.TrimSpace(intro), "license", obj("name", "Apache 2.0", "identifier", "Apache-2.0"),
		),
		"servers", []*object{obj("url", "/", "description", "The server that this document comes from")},
		"tags", tags,
		"paths", d.paths,
		"webhooks", webhooks,
		"components", components,
	), nil
}

// roots adds the schemas that clients need although no response over REST refers to them: events
// and error codes. It returns the webhooks.
func (d *describer) roots(files []*protogen.File) (webhooks *object, err error) {
	wanted := map[string]bool{"Event": true, "ErrorCode": true}
	for _, file := range files {
		if file.Desc.Package() != wireschema.Package {
			continue
		}
		for _, m := range file.Messages {
			if wanted[string(m.Desc.Name())] {
				d.schemas.message(m, wireschema.Responses)
				delete(wanted, string(m.Desc.Name()))
				webhooks = d.webhooks(m)
			}
		}
		for _, e := range file.Enums {
			if wanted[string(e.Desc.Name())] {
				d.schemas.enum(e)
				delete(wanted, string(e.Desc.Name()))
			}
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("the schema has no %s", name)
	}
	return webhooks, nil
}

// method adds the operations of an RPC, one for each HTTP rule, and reports whether it has any.
func (d *describer) method(service *protogen.Service, m *protogen.Method) (bool, error) {
	rule := proto.GetExtension(m.Desc.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule.GetPattern() == nil {
		return false, nil
	}
	id := string(m.Desc.Name())
	if d.ids[id] {
		return false, fmt.Errorf("another RPC has this name: each operationId must be unique, rename one of them")
	}
	d.ids[id] = true
	for i, one := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		b, err := wireschema.NewBinding(one, m)
		if err != nil {
			return false, err
		}
		op := d.operation(b, m)
		op.keys = append([]string{"tags"}, op.keys...)
		op.values["tags"] = []string{tagOf(service)}
		if i > 0 {
			op.set("operationId", fmt.Sprintf("%s%d", id, i+1))
		}
		if err := d.addPath(b, op); err != nil {
			return false, err
		}
	}
	return true, nil
}

// addPath adds an operation at its path. OpenAPI forbids two paths that differ only in the names
// of their wireschema.Variables.
func (d *describer) addPath(b wireschema.Binding, op *object) error {
	shape := wireschema.Variables.ReplaceAllString(b.Path, "{}")
	if other, ok := d.shapes[shape]; ok && other != b.Path {
		return fmt.Errorf("the path %s differs from %s only in the names of variables: use the same names", b.Path, other)
	}
	d.shapes[shape] = b.Path
	item := d.paths.child(b.Path)
	if item.has(b.Method) {
		return fmt.Errorf("two RPCs have the HTTP rule %s %s", b.Method, b.Path)
	}
	item.set(b.Method, op)
	return nil
}

// tagOf returns the tag by which the operations of a service are grouped.
func tagOf(s *protogen.Service) string { return strings.TrimSuffix(s.GoName, "Service") }

// components returns the schemas and the parts that operations share.
func (d *describer) components() *object {
	d.schemas.all.set("Error", obj(
		"type", "object",
		"description", "What was wrong. Some codes carry further keys, as their descriptions say.",
		"required", []string{"error", "code"},
		"properties", obj(
			"error", obj("type", "string", "description", "What was wrong and where, for people."),
			"code", obj("$ref", "#/components/schemas/ErrorCode", "description", "Stable."),
			"retry_after", obj("type", "integer", "description", "Seconds after which the same call can succeed."),
			"hint", obj("type", "string", "description", "What to do."),
		),
		"additionalProperties", true,
	))
	return obj(
		"schemas", d.schemas.all,
		"responses", obj(
			"Error", obj(
				"description", "The call was refused, or failed: `code` says why.",
				"headers", obj("Retry-After", obj("description", "Seconds after which the same call can succeed.", "schema", obj("type", "integer"))),
				"content", obj("application/json", obj("schema", refTo("schemas", "Error"))),
			),
			"NotModified", obj(
				"description", "The response has not changed: its ETag is one of those in If-None-Match.",
				"headers", obj("ETag", refTo("headers", "ETag")),
			),
		),
		"headers", obj("ETag", obj(
			"description", "Send this value as If-None-Match to get the response only after a change.",
			"schema", obj("type", "string"),
		), "Link", obj(
			"description", "The next page of a list, when there is one: `<?query>; rel=\"next\"`, for the same path.",
			"schema", obj("type", "string"),
		)),
		"parameters", obj(
			"IfNoneMatch", obj("name", "If-None-Match", "in", "header", "schema", obj("type", "string"),
				"description", "ETags of responses that the client has stored."),
			"OrgId", obj("name", "X-Org-Id", "in", "header", "schema", obj("type", "string"),
				"description", "The org that the caller expects to act in. The call fails with ORG_MISMATCH when the credential belongs to another org."),
		),
		"securitySchemes", obj(
			"bearer", obj("type", "http", "scheme", "bearer",
				"description", "The token of a bot, from POST /api/auth/register, or a scoped token, from POST /api/me/tokens."),
			"session", obj("type", "apiKey", "in", "cookie", "name", "hxa_session",
				"description", "The session cookie from POST /api/auth/login, of a bot owner, an org admin or the super admin. Requests that a browser sends from another site fail with CSRF_ERROR."),
		),
	)
}
