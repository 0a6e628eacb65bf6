// Package contract holds what a server answers, and what it accepts, against the
// OpenAPI 3.1 document that it publishes.
//
// Two promises are checked. Whoever reads the document must be able to read every
// answer: its status, its media type and its body are described, to the last key of an
// object that is not said to have others. And the document must
// not ask for more than the server does: a request that succeeded is one that the
// document allows. What is found names the operation and the place in the JSON, and
// never a value, which may be a secret.
package contract

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

// Contract is a document ready to judge. It is safe for concurrent use.
type Contract struct {
	root       any
	operations []*operation
	events     map[string]any // types of the schema Event
}

// operation is one method of one path.
type operation struct {
	id       string
	method   string
	path     string
	segments []string // a variable is ""
	spec     map[string]any
}

// Exchange is one request and its answer.
type Exchange struct {
	Method, Target string // the path with its query, escaped, below the base path
	RequestType    string // Content-Type of the request
	Request        []byte
	Status         int
	AnswerType     string // Content-Type of the answer
	Answer         []byte
}

// New reads a document. It fails when that is no OpenAPI 3.1, refers to what is not
// there, names an operation twice, or has an operation without an answer.
func New(document []byte) (*Contract, error) {
	root, err := decode(document)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document is no JSON: %w", err)
	}
	c := &Contract{root: root}
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

// dangling finds references to nothing, below the pointer.
func (c *Contract) dangling(v any, pointer string) (faults []string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && c.resolve(ref) == nil {
			faults = append(faults, fmt.Sprintf("%s refers to %s, which is not there", pointer, ref))
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

func (c *Contract) addOperations() (faults []string) {
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
				faults = append(faults, fmt.Sprintf("%s %s: operationId %q is missing or taken", op.method, path, op.id))
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
		faults = append(faults, "it has no operations")
	}
	return faults
}

// find is the operation that a request is for, or nil. Texts win over variables.
func (c *Contract) find(method, path string) *operation {
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

// Check judges one exchange and returns what breaks the document.
func (c *Contract) Check(x Exchange) []string {
	path, query, _ := strings.Cut(x.Target, "?")
	op := c.find(x.Method, path)
	if op == nil {
		procedure := strings.HasPrefix(strings.ToLower(path), "/b2b.v1.") // the document is of REST
		if x.Status < 400 && x.Method != "OPTIONS" && !procedure {
			return []string{fmt.Sprintf("%s: answered %d, but the document has no such operation", x.Method, x.Status)}
		}
		return nil
	}
	where := fmt.Sprintf("%s (%s) %d", op.id, x.Method, x.Status)
	var out []string
	for _, fault := range c.answer(op, x) {
		out = append(out, where+": answer"+fault)
	}
	if x.Status >= 200 && x.Status < 300 {
		for _, fault := range c.request(op, x, query) {
			out = append(out, where+": request succeeded, but"+fault)
		}
	}
	return out
}

func (c *Contract) answer(op *operation, x Exchange) []string {
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
	case len(content) == 0 && len(x.Answer) > 0:
		return []string{" has a body where none is described"}
	case len(content) == 0:
		return nil
	}
	media, ok := pick(content, x.AnswerType)
	if !ok {
		return []string{fmt.Sprintf(" has a Content-Type of %q, which is not described", x.AnswerType)}
	}
	if media != "application/json" {
		return nil
	}
	return c.judge(at(content, media, "schema"), x.Answer, true)
}

func (c *Contract) request(op *operation, x Exchange, query string) (faults []string) {
	if values, err := url.ParseQuery(query); err == nil { // servers are more lenient than that
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

// Event judges a pushed event. What is not an event, as an acknowledgement, passes.
func (c *Contract) Event(text []byte) []string {
	var told struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &told); err != nil || c.events[told.Type] == nil {
		return nil
	}
	var out []string
	for _, fault := range c.judge(at(c.root, "components", "schemas", "Event"), text, true) {
		out = append(out, "event "+told.Type+fault)
	}
	return out
}

// Webhook judges what was posted to a webhook.
func (c *Contract) Webhook(body []byte) []string {
	var told struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return []string{"webhook is not JSON"}
	}
	schema := at(c.root, "webhooks", told.Type, "post", "requestBody", "content", "application/json", "schema")
	if schema == nil {
		return []string{fmt.Sprintf("webhook of type %q: the document has none", told.Type)}
	}
	var out []string
	for _, fault := range c.judge(schema, body, true) {
		out = append(out, "webhook "+told.Type+fault)
	}
	return out
}

// Webhooks lists the types of the events that the document says are posted.
func (c *Contract) Webhooks() []string {
	all, _ := at(c.root, "webhooks").(map[string]any)
	return slices.Sorted(maps.Keys(all))
}

// Needing is an operation that cannot do without a body.
type Needing struct {
	Method, Path string
	Callers      []string // who may call, by x-b2b-access
}

// Needing lists the operations that require a body, those aside whose path has variables.
func (c *Contract) Needing() (all []Needing) {
	for _, op := range c.operations {
		body := c.follow(op.spec["requestBody"])
		if body["required"] != true || slices.Contains(op.segments, "") {
			continue
		}
		one := Needing{Method: op.method, Path: op.path}
		callers, _ := at(op.spec, "x-b2b-access", "callers").([]any)
		for _, caller := range callers {
			one.Callers = append(one.Callers, fmt.Sprint(caller))
		}
		all = append(all, one)
	}
	return all
}

// pick finds the described media type that a Content-Type is of.
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
