// Package openapi validates the responses of a server, and the requests it accepts, against the
// OpenAPI 3.1 document that it publishes.
//
// It checks two things. The document describes every response: its status, its media type, and
// every key of its body, unless an object allows additional keys. And the document does not
// require more than the server does: every request that succeeded is valid. A fault names the
// operation and the place in the JSON, never a value, which could be a secret.
package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Document is a parsed OpenAPI document. It is safe for concurrent use.
type Document struct {
	root       any
	operations []*operation
	events     map[string]any // references to the schemas of events, by type
}

// operation is one method of one path.
type operation struct {
	id       string
	method   string
	path     string
	segments []string // "" for a variable
	spec     map[string]any
}

// Exchange is one request and its response.
type Exchange struct {
	Method, Target string // the path with its query, escaped, below the base path
	RequestType    string // Content-Type of the request
	Request        []byte
	Status         int
	ResponseType   string // Content-Type of the response
	Response       []byte
}

// New parses a document. It returns an error if the document is not OpenAPI 3.1, has a reference
// without a target, uses an operationId twice, or has an operation without responses.
func New(document []byte) (*Document, error) {
	root, err := decode(document)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document is not JSON: %w", err)
	}
	c := &Document{root: root}
	if version, _ := at(root, "openapi").(string); !strings.HasPrefix(version, "3.1.") {
		return nil, fmt.Errorf("openapi is %q, want 3.1", version)
	}
	faults := c.dangling(root, "#")
	faults = append(faults, c.addOperations()...)
	c.events, _ = at(root, "components", "schemas", "Event", "discriminator", "mapping").(map[string]any)
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return c, nil
}

// dangling returns the references without a target in v, which is at the given pointer.
func (c *Document) dangling(v any, pointer string) (faults []string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && c.resolve(ref) == nil {
			faults = append(faults, fmt.Sprintf("%s refers to %s, which does not exist", pointer, ref))
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			faults = append(faults, c.dangling(v[key], pointer+"/"+escape(key))...)
		}
	case []any:
		for i, element := range v {
			faults = append(faults, c.dangling(element, pointer+"/"+strconv.Itoa(i))...)
		}
	}
	return faults
}

func (c *Document) addOperations() (faults []string) {
	ids := make(map[string]bool)
	paths, _ := at(c.root, "paths").(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := paths[path].(map[string]any)
		for _, method := range []string{"get", "put", "post", "delete", "patch"} {
			spec, ok := item[method].(map[string]any)
			if !ok {
				continue
			}
			op := &operation{method: strings.ToUpper(method), path: path, spec: spec}
			op.id, _ = spec["operationId"].(string)
			if op.id == "" || ids[op.id] {
				faults = append(faults, fmt.Sprintf("%s %s: operationId %q is missing or not unique", op.method, path, op.id))
			}
			ids[op.id] = true
			if answers, _ := spec["responses"].(map[string]any); len(answers) == 0 {
				faults = append(faults, fmt.Sprintf("%s %s: has no responses", op.method, path))
			}
			for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
				if strings.HasPrefix(segment, "{") {
					segment = ""
				}
				op.segments = append(op.segments, strings.ToLower(segment))
			}
			c.operations = append(c.operations, op)
		}
	}
	if len(c.operations) == 0 {
		faults = append(faults, "the document has no operations")
	}
	return faults
}

// find returns the operation of a request, or nil. Fixed segments take precedence over variables.
func (c *Document) find(method, path string) *operation {
	if method == "HEAD" {
		method = "GET"
	}
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "" {
			return nil
		}
		segments[i] = plain
	}
	var best *operation
	for _, op := range c.operations {
		if op.method == method && op.fits(segments) && (best == nil || slices.Compare(op.segments, best.segments) > 0) {
			best = op // "" sorts before any text
		}
	}
	return best
}

func (op *operation) fits(segments []string) bool {
	return slices.EqualFunc(op.segments, segments, func(want, got string) bool {
		return want == "" || strings.EqualFold(want, got)
	})
}

// Check returns the faults of one exchange.
func (c *Document) Check(x Exchange) []string {
	path, query, _ := strings.Cut(x.Target, "?")
	op := c.find(x.Method, path)
	if op == nil {
		procedure := strings.HasPrefix(strings.ToLower(path), "/b2b.v1.") // Connect, which the document does not describe
		if x.Status < 400 && x.Method != "OPTIONS" && !procedure {
			return []string{fmt.Sprintf("%s: status %d, but the document has no such operation", x.Method, x.Status)}
		}
		return nil
	}
	where := fmt.Sprintf("%s (%s) %d", op.id, x.Method, x.Status)
	var out []string
	for _, fault := range c.response(op, x) {
		out = append(out, where+": response"+fault)
	}
	if x.Status >= 200 && x.Status < 300 {
		for _, fault := range c.request(op, x, query) {
			out = append(out, where+": request succeeded, but"+fault)
		}
	}
	return out
}

func (c *Document) response(op *operation, x Exchange) []string {
	described := c.follow(at(op.spec, "responses", strconv.Itoa(x.Status)))
	if described == nil && x.Status >= 400 {
		described = c.follow(at(op.spec, "responses", "default"))
	}
	if described == nil {
		return []string{" has a status that is not described"}
	}
	content, _ := described["content"].(map[string]any)
	switch {
	case x.Method == "HEAD":
		return nil
	case len(content) == 0 && len(x.Response) > 0:
		return []string{" has a body, but none is described"}
	case len(content) == 0:
		return nil
	}
	media, ok := pick(content, x.ResponseType)
	if !ok {
		return []string{fmt.Sprintf(" has a Content-Type of %q, which is not described", x.ResponseType)}
	}
	if media != "application/json" {
		return nil
	}
	return c.judge(at(content, media, "schema"), x.Response, true)
}

func (c *Document) request(op *operation, x Exchange, query string) (faults []string) {
	if values, err := url.ParseQuery(query); err == nil { // servers accept queries that ParseQuery rejects
		parameters, _ := op.spec["parameters"].([]any)
		for _, p := range parameters {
			described := c.follow(p)
			if name, _ := described["name"].(string); described["in"] == "query" && described["required"] == true && !values.Has(name) {
				faults = append(faults, fmt.Sprintf(" lacks the parameter %s", name))
			}
		}
	}
	described := c.follow(op.spec["requestBody"])
	body := bytes.TrimSpace(bytes.TrimPrefix(x.Request, []byte("\xef\xbb\xbf")))
	media, _, err := mime.ParseMediaType(x.RequestType)
	switch {
	case described == nil:
		return faults
	case len(body) == 0 && described["required"] == true:
		return append(faults, " lacks a body")
	case len(body) == 0, err != nil, media != "application/json", body[0] != '{':
		return faults
	}
	return append(faults, c.judge(at(described, "content", media, "schema"), body, false)...)
}

// Event returns the faults of a pushed event. Frames that are not events, such as acks, have none.
func (c *Document) Event(text []byte) []string {
	event, err := decode(text)
	kind, _ := at(event, "type").(string)
	if err != nil || c.events[kind] == nil {
		return nil
	}
	var out []string
	for _, fault := range c.judgeValue(at(c.root, "components", "schemas", "Event"), event, true) {
		out = append(out, "event "+kind+fault)
	}
	return out
}

// StreamedDelivery returns the faults of an item of a stream of deliveries.
func (c *Document) StreamedDelivery(text []byte) []string {
	item, err := decode(text)
	if err != nil {
		return []string{"an item of a stream of deliveries is not JSON"}
	}
	var out []string
	for _, fault := range c.judgeValue(at(c.root, "components", "schemas", "StreamInboxResponse"), item, true) {
		out = append(out, "streamed delivery"+fault)
	}
	return out
}

// Webhook returns the faults of the body of a webhook delivery.
func (c *Document) Webhook(body []byte) []string {
	var event struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return []string{"webhook is not JSON"}
	}
	schema := at(c.root, "webhooks", event.Type, "post", "requestBody", "content", "application/json", "schema")
	if schema == nil {
		return []string{fmt.Sprintf("webhook of type %q: the document has none", event.Type)}
	}
	var out []string
	for _, fault := range c.judge(schema, body, true) {
		out = append(out, "webhook "+event.Type+fault)
	}
	return out
}

// Webhooks returns the types of the webhook events of the document.
func (c *Document) Webhooks() []string {
	all, _ := at(c.root, "webhooks").(map[string]any)
	return slices.Sorted(maps.Keys(all))
}

// BodyRequired is an operation that requires a body.
type BodyRequired struct {
	Method, Path string
	Callers      []string // from x-b2b-access
}

// BodyRequired returns the operations that require a body and have no variable in their path.
func (c *Document) BodyRequired() (all []BodyRequired) {
	for _, op := range c.operations {
		body := c.follow(op.spec["requestBody"])
		if body["required"] != true || slices.Contains(op.segments, "") {
			continue
		}
		one := BodyRequired{Method: op.method, Path: op.path}
		callers, _ := at(op.spec, "x-b2b-access", "callers").([]any)
		for _, caller := range callers {
			one.Callers = append(one.Callers, fmt.Sprint(caller))
		}
		all = append(all, one)
	}
	return all
}

// pick returns the media type in content that matches a Content-Type.
func pick(content map[string]any, contentType string) (string, bool) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", false
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, one := range []string{media, kind + "/*", "*/*"} {
		if _, ok := content[one]; ok {
			return one, true
		}
	}
	return "", false
}
