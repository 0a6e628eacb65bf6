package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// sane checks what holds for every response: no 5xx, and a refusal is JSON with a text and a code.
func sane(t testing.TB, what string, a answer) {
	t.Helper()
	if len(what) > 300 {
		what = what[:300] + "…"
	}
	if a.status >= 500 || a.status < 200 {
		t.Errorf("%s: %v", what, a)
		return
	}
	if a.status < 400 {
		return
	}
	var e struct{ Error, Code string }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error == "" || e.Code == "" || e.Code == "INTERNAL_ERROR" {
		t.Errorf("%s: no error with a code: %v", what, a)
	}
	if a.header.Get("Content-Type") != "application/json; charset=utf-8" || !utf8.ValidString(a.body) {
		t.Errorf("%s: %v %q", what, a.header, a.body)
	}
}

// A bench is a node, an org, and the callers of each call.
type bench struct {
	*node
	own, spare *org // the spare one loses its admin's session
	ops        []*call.Operation
	made       int
}

func newBench(t testing.TB, database ...string) *bench {
	t.Helper()
	n := newNode(t, database...)
	b := &bench{node: n, own: n.newOrg(t, "own"), spare: n.newOrg(t, "spare")}
	for i, op := range operations() {
		if len(op.HTTP) > 0 && op.Receive == nil && !(thinned && i%4 != 0) { // forms are not JSON
			b.ops = append(b.ops, op)
		}
	}
	return b
}

// onBoth runs a test on both databases, since one may refuse what the other accepts.
func onBoth(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newBench(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, newBench(t, pgtest.URL(t))) })
}

// may returns a caller with access. A call that could delete its caller gets a new one.
func (b *bench) may(t testing.TB, op *call.Operation) caller {
	t.Helper()
	switch method(op) {
	case "DeleteMe":
		return b.register(t, b.spare)
	case "RotateSecret":
		return b.spare.admin
	}
	for _, c := range b.own.callers {
		if allowed(op, c) {
			return c
		}
	}
	panic("nobody may call " + method(op))
}

// register makes one more bot.
func (b *bench) register(t testing.TB, o *org) caller {
	t.Helper()
	b.made++
	body := map[string]any{"org_id": o.id, "org_secret": o.at["org secret"], "name": fmt.Sprint("victim", b.made)}
	return bearer("victim", "bot", "full", b.must(t, nobody, "POST", "/api/auth/register", body)["token"].(string))
}

// path returns the path of an operation with values that identify nothing, so that a late refusal
// changes nothing.
func (b *bench) path(op *call.Operation) (verbOf, target string) {
	verbOf, pattern := call.Route(op.HTTP[0])
	return verbOf, variable.ReplaceAllString(pattern, "none")
}

// jsonTypes is one value of each JSON type.
var jsonTypes = map[string]string{
	"null": `null`, "boolean": `true`, "number": `7`, "fraction": `1.5`, "string": `"a text"`, "array": `[{}]`, "object": `{"a":1}`,
}

// accepts returns the JSON types that the schema accepts for a field.
func accepts(f protoreflect.FieldDescriptor) []string {
	marks, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
	var types []string
	if !marks.GetNotNull() && (f.HasPresence() || f.IsList()) {
		types = append(types, "null")
	}
	switch {
	case marks.GetRawJson(), marks.GetAnyToText():
		return []string{"null", "boolean", "number", "fraction", "string", "array", "object"} // the service judges
	case f.IsList():
		return append(types, "array")
	}
	switch f.Kind() {
	case protoreflect.StringKind, protoreflect.EnumKind:
		return append(types, "string")
	case protoreflect.BoolKind:
		return append(types, "boolean")
	case protoreflect.DoubleKind:
		return append(types, "number", "fraction")
	case protoreflect.MessageKind:
		switch f.Message().FullName() {
		case "b2b.v1.StringList", "b2b.v1.PartList":
			return append(types, "array")
		case "google.protobuf.Timestamp":
			return append(types, "number")
		}
		return append(types, "object")
	}
	return append(types, "number")
}

// bodyFields returns the fields of a request that its body sets.
func bodyFields(op *call.Operation) (fields []protoreflect.FieldDescriptor) {
	if verb, _ := call.Route(op.HTTP[0]); verb == "GET" {
		return nil
	}
	all := op.Desc.Input().Fields()
	for i := range all.Len() {
		f := all.Get(i)
		marks, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
		if slices.Contains(pathFields(op), string(f.Name())) || marks.GetBodyKeys() || marks.GetHidden() || marks.GetHeader() != "" {
			continue
		}
		fields = append(fields, f)
	}
	return fields
}

// Every field of every request is sent as every JSON type: a wrong type is refused with an error
// that names the field.
func TestHostileTypes(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileTypes)
}

func hostileTypes(t *testing.T, b *bench) {
	refusals := 0
	for _, op := range b.ops {
		verb, target := b.path(op)
		for _, f := range bodyFields(op) {
			right := accepts(f)
			for name, value := range jsonTypes {
				body := fmt.Sprintf(`{%q:%s}`, f.Name(), value)
				what := fmt.Sprintf("%s %s", method(op), body)
				a := b.send(b.may(t, op), verb, target, []byte(body))
				sane(t, what, a)
				if slices.Contains(right, name) {
					continue
				}
				refusals++
				if a.status != 400 || a.code() != "VALIDATION_ERROR" || !strings.Contains(a.body, string(f.Name())) {
					t.Errorf("%s: %v, want 400 VALIDATION_ERROR that names the field", what, a)
				}
			}
		}
	}
	t.Logf("%d wrong types refused; %d requests", refusals, b.requests.Load())
}

// Invalid texts in each text field of each body.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileTexts)
}

func hostileTexts(t *testing.T, b *bench) {
	for _, op := range b.ops {
		verb, target := b.path(op)
		for _, f := range bodyFields(op) {
			var pattern string
			switch types := accepts(f); {
			case f.Kind() == protoreflect.StringKind:
				pattern = `{"%s":"%s"}`
			case slices.Contains(types, "array") && f.Message() != nil && f.Message().FullName() == "b2b.v1.StringList":
				pattern = `{"%s":["%s"]}`
			case slices.Contains(types, "array") && f.Message() != nil:
				pattern = `{"%s":[{"type":"text","content":"%s"}]}`
			default:
				continue
			}
			marks, _ := proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
			for _, hostile := range []struct{ text, code string }{
				{`a\u0000b`, "VALIDATION_ERROR"}, {"a\x00b", "VALIDATION_ERROR"}, {"\xff\xfe", "VALIDATION_ERROR"}, {"\xed\xa0\x80", "VALIDATION_ERROR"},
				{`\ud800`, ""}, {`\udc00\ud800`, ""}, {`\ud83d\ude00`, ""}, {"\u202e\ufeff", ""}, {strings.Repeat("x", 64<<10), ""},
				{strings.Repeat("é", 200<<10), ""}, {"%00%2f..", ""}, {`' OR 1=1; --`, ""}, {`\u001f`, ""},
			} {
				body := fmt.Sprintf(pattern, f.Name(), hostile.text)
				a := b.send(b.may(t, op), verb, target, []byte(body))
				what := method(op) + " " + body
				sane(t, what, a)
				if hostile.code == "" || marks.GetRawJson() && strings.Contains(hostile.text, `\u`) {
					continue
				}
				if a.status != 400 || a.code() != hostile.code {
					t.Errorf("%s: %v, want 400 %s", what, a, hostile.code)
				}
				if strings.Contains(hostile.text, `\u0000`) && !strings.Contains(a.body, string(f.Name())) {
					t.Errorf("%s: %v does not name the field", what, a)
				}
			}
		}
	}
	t.Logf("%d requests", b.requests.Load())
}

// Extreme numbers in every number field.
func TestHostileNumbers(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileNumbers)
}

func hostileNumbers(t *testing.T, b *bench) {
	numbers := []string{
		"1e400", "-1e400", "1e308", "-0", "0", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"9007199254740993", "2147483648", "-2147483649", "1e18", "1e19", "1E-400", "0.1", "1.0", "10e-1", strings.Repeat("9", 100_000),
	}
	for _, op := range b.ops {
		verb, target := b.path(op)
		for _, f := range bodyFields(op) {
			if !slices.Contains(accepts(f), "number") {
				continue
			}
			for _, n := range numbers {
				body := fmt.Sprintf(`{%q:%s}`, f.Name(), n)
				a := b.send(b.may(t, op), verb, target, []byte(body))
				sane(t, method(op)+" "+body, a)
				if f.Kind() == protoreflect.DoubleKind && (n == "1e400" || n == "-1e400") && a.code() != "VALIDATION_ERROR" {
					t.Errorf("%s %s: %v", method(op), body, a)
				}
			}
		}
	}
	// Complete requests, which reach the arithmetic.
	b.must(t, b.own.human, "PATCH", "/api/org/settings", map[string]any{"messages_per_minute_per_bot": 1 << 40})
	for _, n := range numbers {
		for _, call := range []struct {
			c            caller
			verb, target string
			body         string
		}{
			{b.own.human, "POST", "/api/org/tickets", `{"expires_in":%s}`},
			{b.own.member, "POST", "/api/me/tokens", `{"scopes":["read"],"expires_in":%s}`},
			{b.operator, "POST", "/api/platform/invite-codes", `{"expires_in":%s}`},
			{b.operator, "POST", "/api/platform/invite-codes", `{"max_uses":%s}`},
			{b.own.human, "PATCH", "/api/org/settings", `{"message_ttl_days":%[1]s,"file_upload_mb_per_day_per_bot":%[1]s}`},
			{b.own.member, "POST", "/api/send", `{"to":"own-bot2","parts":[{"type":"file","url":"","name":"","mime_type":"","size":%s}]}`},
			{b.own.member, "POST", "/api/send", `{"to":"own-bot2","parts":[{"type":"json","content":{"n":%s}}]}`},
		} {
			body := fmt.Sprintf(call.body, n)
			a := b.send(call.c, call.verb, call.target, []byte(body))
			sane(t, call.target+" "+body, a)
			if n == "1.0" && a.status > 299 { // positive control
				t.Errorf("%s %s: %v", call.target, body, a)
			}
			if a.status < 300 && strings.Contains(a.body, `"expires_at":-`) {
				t.Errorf("%s %s ended before it began: %v", call.target, body, a)
			}
		}
	}
	for _, op := range b.ops { // and in queries
		if verb, _ := call.Route(op.HTTP[0]); verb != "GET" {
			continue
		}
		fields := idFieldsOf(t, op)
		all := op.Desc.Input().Fields()
		for i := range all.Len() {
			f := string(all.Get(i).Name())
			if slices.Contains(pathFields(op), f) {
				continue
			}
			_, target, _ := rest(t, op, usual(op, fields, b.own))
			target, _, _ = strings.Cut(target, "?")
			for _, n := range append(numbers[:19:19], "", "NaN", "Infinity", "0x10", "12abc", "٣", "+5", " 5", "true", "null", "a,b") {
				target := target + "?" + url.Values{f: {n}}.Encode()
				sane(t, target, b.send(b.may(t, op), "GET", target, nil))
			}
		}
	}
	t.Logf("%d requests", b.requests.Load())
}

// Whole bodies: their size, depth, form and headers, on every call that has one.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileBodies)
}

func hostileBodies(t *testing.T, b *bench) {
	pad := func(n int) []byte {
		return []byte(`{"unknown":"` + strings.Repeat("x", n-len(`{"unknown":""}`)) + `"}`)
	}
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	deepKey := func(n int) []byte {
		return []byte(`{"metadata":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}")
	}
	type sent struct {
		name   string
		body   []byte
		header []string
		want   string // status and code; "": as an empty body
	}
	cases := []sent{
		{"100k arrays", deep(100_000), nil, "400 VALIDATION_ERROR"},
		{"100k open arrays", []byte(strings.Repeat("[", 100_000)), nil, "400 VALIDATION_ERROR"},
		{"40k objects", deepKey(40_000), nil, "400 VALIDATION_ERROR"},
		{"broken JSON", []byte(`{"a":`), nil, "400 VALIDATION_ERROR"},
		{"two values", []byte(`{}{}`), nil, "400 VALIDATION_ERROR"},
		{"a number", []byte(`5`), nil, "400 VALIDATION_ERROR"},
		{"null", []byte(`null`), nil, "400 VALIDATION_ERROR"},
		{"doubled key", []byte(`{"a":1,"a":1}`), nil, "400 VALIDATION_ERROR"},
		{"doubled key, escaped", []byte(`{"a":1,"\u0061":1}`), nil, "400 VALIDATION_ERROR"},
		{"not UTF-8", []byte("{\"a\":\"\xff\"}"), nil, "400 VALIDATION_ERROR"},
		{"10k keys", []byte(`{` + keys(10_000) + `}`), nil, ""},
		{"10k keys and one", []byte(`{` + keys(10_001) + `}`), nil, "400 VALIDATION_ERROR"},
		{"empty", []byte{}, nil, ""},
		{"spaces", []byte("  \n"), nil, "400 VALIDATION_ERROR"},
		{"byte order mark", []byte("\xef\xbb\xbf{}"), nil, ""},
		{"an array", []byte(`[]`), nil, ""},
		{"text/plain", []byte(`{"a":`), []string{"Content-Type", "text/plain"}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"no type", []byte(`{"a":`), []string{"Content-Type", ""}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"form", []byte(`name=x`), []string{"Content-Type", "application/x-www-form-urlencoded"}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"utf-8", []byte(`{}`), []string{"Content-Type", "Application/JSON; Charset=UTF-8"}, ""},
		{"latin1", []byte(`{}`), []string{"Content-Type", "application/json; charset=latin1"}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"utf-16", []byte(`{}`), []string{"Content-Type", "application/json; charset=utf-16"}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"gzip", []byte("\x1f\x8b"), []string{"Content-Encoding", "gzip"}, "415 UNSUPPORTED_MEDIA_TYPE"},
		{"identity", []byte(`{}`), []string{"Content-Encoding", "identity"}, ""},
	}
	for _, op := range b.ops {
		verb, target := b.path(op)
		if op.HTTP[0].GetBody() == "" {
			continue
		}
		most := 1 << 20
		if call.Public(op.Access) {
			most = 256 << 10
		}
		sized := []sent{
			{"the limit - 1", pad(most - 1), nil, ""},
			{"the limit", pad(most), nil, ""},
			{"the limit + 1", pad(most + 1), nil, "413 PAYLOAD_TOO_LARGE"},
		}
		for _, x := range append(sized, cases...) {
			a := b.send(b.may(t, op), verb, target, x.body, x.header...)
			what := method(op) + ", " + x.name
			sane(t, what, a)
			if got := fmt.Sprintf("%d %s", a.status, a.code()); x.want != "" && got != x.want {
				t.Errorf("%s: %v, want %s", what, a, x.want)
			} else if x.want == "" {
				empty := b.send(b.may(t, op), verb, target, []byte("{}"))
				if a.status != empty.status || a.status > 299 && a.code() != empty.code() {
					t.Errorf("%s: %v, but an empty object gives %v", what, a, empty)
				}
			}
		}
	}
	t.Logf("%d requests", b.requests.Load())
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":%d`, i, i)
	}
	return b.String()
}

// Ids in paths and query parameters: they are only ids, whatever they contain.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	onBoth(t, hostilePaths)
}

func hostilePaths(t *testing.T, b *bench) {
	values := []string{
		"%2F", "a%2Fb", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2F..%2Fetc%2Fpasswd", "%00", "a%00b", "%ff", "%ed%a0%80", "%F0%9F%98%80", "%20", "%0d%0aX:1", "%25", "%2525",
		strings.Repeat("x", 64<<10), strings.Repeat("%41", 20_000), "'%20OR%201=1", "*", "null", "undefined", "-1", "0", "{thread_id}", "a;b=c", "a+b", "%E2%80%AE",
	}
	for _, op := range b.ops {
		c := b.may(t, op)
		verbOf, pattern := call.Route(op.HTTP[0])
		for _, name := range pathFields(op) {
			for _, v := range values {
				target := strings.Replace(pattern, "{"+name+"}", v, 1)
				target = variable.ReplaceAllString(target, "none")
				a := b.send(c, verbOf, target, nil)
				sane(t, verbOf+" "+target, a)
				if a.status < 400 {
					t.Errorf("%s %s: %v", verbOf, target, a)
				}
				if plain, err := url.PathUnescape(v); err == nil && strings.Contains(plain, "\x00") &&
					(a.status != 400 || a.code() != "VALIDATION_ERROR" || !strings.Contains(a.body, name)) {
					t.Errorf("%s %s: %v, want 400 VALIDATION_ERROR that names %s", verbOf, target, a, name)
				}
			}
		}
		if verbOf != "GET" {
			continue
		}
		_, target, _ := rest(t, op, usual(op, idFieldsOf(t, op), b.own))
		path, _, _ := strings.Cut(target, "?")
		all := op.Desc.Input().Fields()
		for i := range all.Len() {
			f := all.Get(i)
			if slices.Contains(pathFields(op), string(f.Name())) {
				continue
			}
			for _, v := range append(values, "%", "%zz", "", "a&"+string(f.Name())+"=b", "a;b", "%00&"+string(f.Name())+"=a") {
				target := path + "?" + string(f.Name()) + "=" + v
				a := b.send(c, "GET", target, nil)
				sane(t, "GET "+target, a)
				if f.Enum() != nil && v == "null" && a.code() != "VALIDATION_ERROR" {
					t.Errorf("GET %s: an unknown value gives %v", target, a)
				}
				if f.Kind() == protoreflect.StringKind && strings.HasPrefix(v, "%00") && a.code() != "VALIDATION_ERROR" {
					t.Errorf("GET %s: NUL gives %v", target, a)
				}
			}
			for _, query := range []string{"[]=1", "[a]=1", ".a=1", "=1&", "", "&&&", "=1=2"} {
				target := path + "?" + string(f.Name()) + query
				sane(t, "GET "+target, b.send(c, "GET", target, nil))
			}
		}
	}
	t.Logf("%d requests", b.requests.Load())
}

// Unknown enum texts are refused with the name of the field; known ones are accepted as valid
// types.
func TestHostileEnums(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileEnums)
}

func hostileEnums(t *testing.T, b *bench) {
	tried := 0
	for _, op := range b.ops {
		verb, target := b.path(op)
		for _, f := range bodyFields(op) {
			if f.Enum() == nil {
				continue
			}
			for _, text := range []string{"", "nova", "unspecified", string(f.Enum().Values().Get(1).Name()), "ACTIVE", "1"} {
				value := fmt.Sprintf("%q", text)
				if f.IsList() {
					value = "[" + value + "]"
				}
				a := b.send(b.may(t, op), verb, target, fmt.Appendf(nil, `{%q:%s}`, f.Name(), value))
				tried++
				if a.status != 400 || a.code() != "VALIDATION_ERROR" || !regexp.MustCompile(`\b`+string(f.Name())+`\b`).MatchString(a.body) {
					t.Errorf("%s %s=%q: %v", method(op), f.Name(), text, a)
				}
			}
		}
	}
	if tried == 0 {
		t.Error("no enum was tried")
	}
}
