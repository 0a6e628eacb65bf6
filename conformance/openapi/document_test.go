package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// published returns the document of this repository.
func published(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parsed(t testing.TB, document []byte) *Document {
	t.Helper()
	c, err := New(document)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchanges are valid according to the document.
var exchanges = []Exchange{
	{Method: "GET", Target: "/api/Version/", Status: 200, ResponseType: "application/json; charset=utf-8", Response: []byte(`{"version":"1","server":"s","profiles":[]}`)},
	{Method: "POST", Target: "/api/send", RequestType: "application/json", Request: []byte(`{"to":"b","parts":[{"type":"link","url":"u","title":7}]}`), Status: 200, ResponseType: "application/json", Response: []byte(`{"channel_id":"c","message":{"id":"m","channel_id":"c","sender_id":"s","content":"hush","content_type":"text","parts":[{"type":"text","content":"hush"}],"created_at":5},"ts":5}`)},
	{Method: "GET", Target: "/api/threads?cursor=", Status: 200, ResponseType: "application/json", Response: []byte(`{"items":[],"has_more":false}`)},
	{Method: "GET", Target: "/api/threads", Status: 200, ResponseType: "application/json", Response: []byte(`[]`)},
	{Method: "GET", Target: "/api/threads", Status: 403, ResponseType: "application/json", Response: []byte(`{"error":"e","code":"FORBIDDEN","retry_after":1}`)},
	{Method: "GET", Target: "/api/me", Status: 304},
	{Method: "HEAD", Target: "/api/me", Status: 200, ResponseType: "application/json"},
	{Method: "GET", Target: "/skill.md", Status: 200, ResponseType: "text/markdown; charset=utf-8", Response: []byte("# hi")},
	{Method: "GET", Target: "/api/inbox?since=1", Status: 200, ResponseType: "application/json", Response: []byte(`[]`)},
	{Method: "GET", Target: "/nothing/here", Status: 404, ResponseType: "text/plain", Response: []byte(`no`)},
	{Method: "GET", Target: "/api/bots/%zz", Status: 400, ResponseType: "text/plain", Response: []byte(`no`)},
}

func TestValidExchanges(t *testing.T) {
	t.Parallel()
	c := parsed(t, published(t))
	for _, x := range exchanges {
		if faults := c.Check(x); len(faults) > 0 {
			t.Errorf("%s %s: %q", x.Method, x.Target, faults)
		}
	}
	for _, event := range []string{`{"type":"bot_online","bot":{"id":"x","name":"n"},"cursor":"c"}`, `{"type":"ack","anything":1}`, `[]`} {
		if faults := c.Event([]byte(event)); len(faults) > 0 {
			t.Errorf("%s: %q", event, faults)
		}
	}
}

// TestInvalidExchanges changes the exchanges one at a time. Each change gives a fault that names
// its place and has no value.
func TestInvalidExchanges(t *testing.T) {
	t.Parallel()
	c := parsed(t, published(t))
	for _, b := range []struct {
		of     int
		change func(x *Exchange)
		want   string
	}{
		{0, func(x *Exchange) { x.Response = []byte(`{"version":"1"}`) }, "GetVersion (GET) 200: response at / violates required: server is missing"},
		{0, func(x *Exchange) { x.Response = []byte(`{"version":"1","server":null,"profiles":[]}`) }, "response at /server violates type: is null"},
		{0, func(x *Exchange) { x.Response = []byte(`{"version":"1","server":"s","profiles":[]} x`) }, "response is not JSON"},
		{0, func(x *Exchange) { x.ResponseType = "text/plain" }, `has a Content-Type of "text/plain", which is not described`},
		{0, func(x *Exchange) { x.Status = 201 }, "has a status that is not described"},
		{0, func(x *Exchange) { x.Target = "/api/vversion" }, "the document has no such operation"},
		{1, func(x *Exchange) { x.Response = bytes.Replace(x.Response, []byte(`5}`), []byte(`"5"}`), 1) }, "response at /message/created_at violates type: is string"},
		{1, func(x *Exchange) {
			x.Response = bytes.Replace(x.Response, []byte(`"type":"text"`), []byte(`"type":"txt"`), 1)
		}, "response at /message/parts/*/type violates oneOf"},
		{1, func(x *Exchange) {
			x.Response = bytes.Replace(x.Response, []byte(`"content":"hush"}`), []byte(`"content":7}`), 1)
		}, "response at /message/parts/*/content violates type: is number"},
		{1, func(x *Exchange) { x.Request = []byte(`{"content":"hush"}`) }, "request succeeded, but at / violates required: to is missing"},
		{1, func(x *Exchange) { x.Request = nil }, "request succeeded, but lacks a body"},
		{1, func(x *Exchange) { x.Request = []byte(`{"to":"b","parts":{}}`) }, "request succeeded, but at /parts violates type: is object"},
		{2, func(x *Exchange) { x.Response = []byte(`{"items":[]}`) }, "violates required: has_more is missing"},
		{3, func(x *Exchange) { x.Response = []byte(`[{"id":1}]`) }, "response at /*/id violates type: is number"},
		{4, func(x *Exchange) { x.Response = []byte(`{"error":"e","code":"HUSH"}`) }, "response at /code violates enum: is not one of the listed values"},
		{5, func(x *Exchange) { x.Response = []byte(`{}`) }, "has a body, but none is described"},
		{0, func(x *Exchange) { x.Response = []byte(`{"version":"1","server":"s","profiles":[],"extra":1}`) }, "GetVersion (GET) 200: response at /extra violates properties: this key is not described"},
		{1, func(x *Exchange) {
			x.Response = bytes.Replace(x.Response, []byte(`"id":"m"`), []byte(`"id":"m","more":1`), 1)
		}, "response at /message/more violates properties"},
		{3, func(x *Exchange) { x.Response = []byte(`[{"id":"1"}]`) }, "violates required"},
		{8, func(x *Exchange) { x.Target = "/api/inbox" }, "request succeeded, but lacks the parameter since"},
	} {
		x := exchanges[b.of]
		b.change(&x)
		faults := c.Check(x)
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), b.want) {
			t.Errorf("%s %s %d: %q, want %q", x.Method, x.Target, x.Status, faults, b.want)
		}
		if strings.Contains(strings.ToLower(strings.Join(faults, "\n")), "hush") {
			t.Errorf("%q contains a value", faults)
		}
	}
	for i, answer := range []string{ // parts and errors allow additional keys
		strings.Replace(string(exchanges[1].Response), `"type":"text"`, `"type":"text","mine":1`, 1), `{"error":"e","code":"FORBIDDEN","request_id":"r"}`,
	} {
		x := exchanges[[]int{1, 4}[i]]
		x.Response = []byte(answer)
		if faults := c.Check(x); len(faults) > 0 {
			t.Errorf("%s: %q", answer, faults)
		}
	}
	if faults := c.Event([]byte(`{"type":"bot_online","bot":{"id":"x","name":"n","more":1}}`)); len(faults) != 1 || !strings.Contains(faults[0], "at /bot/more violates properties") {
		t.Errorf("%q", faults)
	}
	if faults := c.Event([]byte(`{"type":"bot_online","bot":{"id":"x"}}`)); len(faults) != 1 || !strings.Contains(faults[0], "event bot_online at /bot violates required: name is missing") {
		t.Errorf("%q", faults)
	}
}

// TestBadDocuments changes the document so that it is invalid.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"3.1":                            {`"openapi": "3.1.0"`, `"openapi": "3.0.3"`},
		"which does not exist":           {`"#/components/schemas/Thread"`, `"#/components/schemas/Tread"`},
		"is missing or not unique":       {`"operationId": "GetVersion"`, `"operationId": "GetStats"`},
		"not JSON":                       {`{`, ``},
		"the document has no operations": {`"paths": {`, `"paths": {}, "x-paths": {`},
		"not JSON: there is more":        {"\n}\n", "\n}\n{}"},
	} {
		document := bytes.Replace(published(t), []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(document, published(t)) {
			t.Errorf("%q is not in the document", change[0])
		}
		if _, err := New(document); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q → %q: %v, want %s", change[0], change[1], err, name)
		}
	}
	if _, err := New([]byte(`{"openapi":"3.1.0","paths":{"/p":{"get":{"operationId":"Ping"}}}}`)); err == nil || !strings.Contains(err.Error(), "/p: has no responses") {
		t.Error(err)
	}
}

// TestChangedDocument changes the document instead of the exchanges: a response that does not match
// the document of its server has faults.
func TestChangedDocument(t *testing.T) {
	t.Parallel()
	document := bytes.ReplaceAll(published(t), []byte(`"format": "int64"`), []byte(`"minimum": 6`))
	if faults := parsed(t, document).Check(exchanges[1]); len(faults) == 0 || !strings.Contains(faults[0], "violates minimum: exceeds the limit 6") {
		t.Errorf("%q", faults)
	}
	document = bytes.ReplaceAll(published(t), []byte(`"format": "int64"`), []byte(`"pattern": "x"`))
	if faults := parsed(t, document).Check(exchanges[1]); len(faults) == 0 || !strings.Contains(faults[0], "pattern: this keyword is not supported") {
		t.Errorf("an unknown keyword has the faults %q", faults)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	c := parsed(t, published(t))
	const good = `{"webhook_version":"1","type":"thread_join_request","thread_id":"t","request_id":"r","bot_id":"b","bot_name":"n","cursor":"c"}`
	for _, w := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"webhook_version":"1",`, "", "webhook thread_join_request at / violates required: webhook_version is missing"},
		{`"webhook_version":"1"`, `"webhook_version":"2"`, "at /webhook_version violates const"},
		{`"bot_id":"b"`, `"bot_id":7`, "at /bot_id violates type: is number"},
		{`"cursor":"c"`, `"hush":"c"`, "violates properties: this key is not described"},
		{`"thread_join_request"`, `"bot_online"`, `webhook of type "bot_online": the document has none`},
		{`}`, ``, "webhook is not JSON"},
	} {
		faults := strings.Join(c.Webhook([]byte(strings.Replace(good, w.old, w.new, 1))), "\n")
		if (w.want == "") != (faults == "") || !strings.Contains(faults, w.want) {
			t.Errorf("%q: %q, want %q", w.new, faults, w.want)
		}
	}
	if all := c.Webhooks(); len(all) != 9 || all[0] != "bot_join_request" {
		t.Errorf("%q", all)
	}
}

func TestBodyRequired(t *testing.T) {
	t.Parallel()
	all := parsed(t, published(t)).BodyRequired()
	if !slices.ContainsFunc(all, func(n BodyRequired) bool {
		return n.Path == "/api/orgs" && slices.Equal(n.Callers, []string{"super_admin"})
	}) {
		t.Errorf("%+v", all)
	}
	if slices.ContainsFunc(all, func(n BodyRequired) bool { return strings.Contains(n.Path, "{") }) {
		t.Errorf("%+v", all)
	}
}

// TestValidatorAgreesWithLibrary compares the validator with a library: on values generated from
// the schemas of the document, valid and changed at random, and on a table of keywords that the
// document does not use.
func TestValidatorAgreesWithLibrary(t *testing.T) {
	t.Parallel()
	document := published(t)
	c := parsed(t, document)
	other := jsonschema.NewCompiler()
	if err := other.AddResource("document", c.root); err != nil {
		t.Fatal(err)
	}
	compare := func(schema any, library *jsonschema.Schema, value any) (valid bool) {
		t.Helper()
		faults, err := c.validate(schema, value, nil), library.Validate(value)
		if (len(faults) == 0) != (err == nil) {
			text, _ := json.Marshal(value)
			t.Errorf("%s: %v, but the library says %v", text, faults, err)
		}
		return err == nil
	}
	r := rand.New(rand.NewPCG(1, 2))
	schemas := at(c.root, "components", "schemas").(map[string]any)
	verdicts := map[bool]int{}
	for name, schema := range schemas {
		library, err := other.Compile("document#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			value := c.sample(r, schema, 6)
			verdicts[compare(schema, library, value)]++
			verdicts[compare(schema, library, mutate(r, value))]++
		}
	}
	if verdicts[true] < 400 || verdicts[false] < 400 {
		t.Errorf("too few valid or invalid samples: %v", verdicts)
	}
	for i, schema := range []string{
		`true`, `false`, `{"additionalProperties":false,"properties":{"a":{}}}`, `{"additionalProperties":{"type":"integer"}}`,
		`{"minItems":1,"maxItems":2}`, `{"minLength":2,"maxLength":3}`, `{"minimum":1,"maximum":2.5}`,
		`{"exclusiveMinimum":1,"exclusiveMaximum":2}`, `{"allOf":[{"type":"number"},{"maximum":1}]}`,
		`{"oneOf":[{"type":"number"},{"type":"integer"}]}`, `{"anyOf":[{"type":"number"},{"const":"ab"}]}`, `{"enum":["ab",1,null]}`,
	} {
		decoded, err := decode([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		home := fmt.Sprintf("table%d", i)
		if err := other.AddResource(home, decoded); err != nil {
			t.Fatal(err)
		}
		library, err := other.Compile(home)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{`1`, `1.0`, `1e0`, `1.5`, `2`, `2.5`, `3`, `1e300`, `"a"`, `"ab"`, `"äöü"`, `"abcd"`, `[]`, `[1]`, `[1,2,3]`, `{}`, `{"a":1}`, `{"b":1}`, `{"b":"x"}`, `null`, `true`} {
			v, err := decode([]byte(value))
			if err != nil {
				t.Fatal(err)
			}
			compare(decoded, library, v)
		}
	}
}

// sample returns a random value for a schema, which is usually valid.
func (c *Document) sample(r *rand.Rand, schema any, depth int) any {
	s := c.follow(schema)
	if values, ok := s["enum"].([]any); ok {
		return values[r.IntN(len(values))]
	}
	if value, ok := s["const"]; ok {
		return value
	}
	for _, keyword := range []string{"oneOf", "anyOf"} {
		if branches := list(s[keyword]); len(branches) > 0 {
			return c.sample(r, branches[r.IntN(len(branches))], depth)
		}
	}
	kind := s["type"]
	if kinds := list(kind); len(kinds) > 0 {
		kind = kinds[r.IntN(len(kinds))]
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return r.IntN(2) == 0
	case "integer", "number":
		return json.Number(fmt.Sprint(r.IntN(1000)))
	case "array":
		a := []any{}
		for range r.IntN(3) {
			if depth > 0 {
				a = append(a, c.sample(r, s["items"], depth-1))
			}
		}
		return a
	case "object":
		o := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		for key, property := range properties {
			if depth > 0 && (slices.Contains(list(s["required"]), any(key)) || r.IntN(2) == 0) {
				o[key] = c.sample(r, property, depth-1)
			}
		}
		return o
	}
	return "text"
}

// mutate changes one random part of a value.
func mutate(r *rand.Rand, v any) any {
	switch x := v.(type) {
	case map[string]any:
		for key := range x { // in random order
			if r.IntN(3) == 0 {
				delete(x, key)
			} else {
				x[key] = mutate(r, x[key])
			}
			return x
		}
	case []any:
		if len(x) > 0 && r.IntN(4) > 0 {
			x[0] = mutate(r, x[0])
			return x
		}
	}
	return []any{nil, true, json.Number("1.5"), json.Number("7"), "changed", []any{}, map[string]any{}}[r.IntN(7)]
}
