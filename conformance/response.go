package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// Response is a response of the server. Its assertions record a failure that names the request, and
// return the Response so that calls can be chained. Methods that return a value end the check if
// the value does not exist.
//
// A path such as "items.0.id" has keys of objects and indexes of arrays; "" is the whole body.
type Response struct {
	Header http.Header
	Body   []byte
	JSON   any // decoded body, numbers as json.Number; nil when the body is not JSON

	t       *T
	request string
	status  int
	isJSON  bool
	cookies []*http.Cookie
}

// String returns the request, the status and the body, as failures show them.
func (r *Response) String() string {
	return fmt.Sprintf("%s → %d %s", r.request, r.status, clip(string(r.Body), 400))
}

func (r *Response) errorf(format string, args ...any) *Response {
	r.t.Errorf("%s: %s", r, fmt.Sprintf(format, args...))
	return r
}

func (r *Response) fatalf(format string, args ...any) {
	r.errorf(format, args...)
	panic(stop{})
}

// StatusCode returns the status, for checks that accept several.
func (r *Response) StatusCode() int { return r.status }

// Status asserts the status.
func (r *Response) Status(want int) *Response {
	if r.status != want {
		r.errorf("status %d, want %d", r.status, want)
	}
	return r
}

// Code asserts the error code of the body.
func (r *Response) Code(want string) *Response { return r.Equal("code", want) }

// Refused asserts an error response: its status, its code, and a text in error.
func (r *Response) Refused(status int, code string) *Response {
	if text, ok := r.find("error"); !ok || text == "" || reflect.TypeOf(text).Kind() != reflect.String {
		r.errorf("want a text in error")
	}
	return r.Status(status).Code(code)
}

// OK asserts status 200 and a JSON body. It ends the check on failure, because later assertions
// would also fail.
func (r *Response) OK() *Response {
	if r.status != http.StatusOK || !r.isJSON {
		r.fatalf("want 200 with JSON")
	}
	return r
}

// Empty asserts an empty body.
func (r *Response) Empty() *Response {
	if len(r.Body) != 0 {
		r.errorf("want no body, got %d bytes", len(r.Body))
	}
	return r
}

func walk(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func (r *Response) find(path string) (any, bool) {
	if !r.isJSON {
		return nil, false
	}
	return walk(r.JSON, path)
}

// Value returns the value at path.
func (r *Response) Value(path string) any {
	v, ok := r.find(path)
	if !ok {
		r.fatalf("no %q in the body", path)
	}
	return v
}

// Str returns the string at path.
func (r *Response) Str(path string) string {
	s, ok := r.Value(path).(string)
	if !ok {
		r.fatalf("%q is not a string", path)
	}
	return s
}

// Num returns the number at path.
func (r *Response) Num(path string) float64 {
	n, ok := r.Value(path).(json.Number)
	if !ok {
		r.fatalf("%q is not a number", path)
	}
	f, err := n.Float64()
	if err != nil {
		r.fatalf("%q: %v", path, err)
	}
	return f
}

// Bool returns the boolean at path.
func (r *Response) Bool(path string) bool {
	b, ok := r.Value(path).(bool)
	if !ok {
		r.fatalf("%q is not a boolean", path)
	}
	return b
}

// List returns the array at path.
func (r *Response) List(path string) []any {
	l, ok := r.Value(path).([]any)
	if !ok {
		r.fatalf("%q is not an array", path)
	}
	return l
}

// Len asserts that the array at path has n elements.
func (r *Response) Len(path string, n int) *Response {
	if l := r.List(path); len(l) != n {
		r.errorf("%q has %d elements, want %d", path, len(l), n)
	}
	return r
}

// Has asserts that each path exists; its value can be null.
func (r *Response) Has(paths ...string) *Response {
	for _, p := range paths {
		if _, ok := r.find(p); !ok {
			r.errorf("no %q in the body", p)
		}
	}
	return r
}

// Lacks asserts that none of the paths exists, not even with the value null. The body must be JSON.
func (r *Response) Lacks(paths ...string) *Response {
	if !r.isJSON {
		return r.errorf("want JSON")
	}
	for _, p := range paths {
		if _, ok := r.find(p); ok {
			r.errorf("%q must not be in the body", p)
		}
	}
	return r
}

// Equal asserts the JSON value at path; want is anything that encodes to JSON (nil is null).
func (r *Response) Equal(path string, want any) *Response {
	got, ok := r.find(path)
	if !ok {
		return r.errorf("no %q in the body, want %v", path, want)
	}
	if w := normal(want); !reflect.DeepEqual(got, w) {
		r.errorf("%q is %s, want %s", path, show(got), show(w))
	}
	return r
}

// Shape asserts the members and types of the object at path; see [T.Shape].
func (r *Response) Shape(path, spec string) *Response {
	r.t.Shape(fmt.Sprintf("%s: %q", r, path), r.Value(path), spec)
	return r
}

// Pluck returns the string member key of every element of the array at path.
func (r *Response) Pluck(path, key string) []string {
	out := []string{}
	for i := range r.List(path) {
		out = append(out, r.Str(strings.TrimPrefix(fmt.Sprintf("%s.%d.%s", path, i, key), ".")))
	}
	return out
}

// Find returns the first object in the array at path that has want as its member key.
func (r *Response) Find(path, key string, want any) map[string]any {
	w := normal(want)
	for _, e := range r.List(path) {
		if o, ok := e.(map[string]any); ok && reflect.DeepEqual(o[key], w) {
			return o
		}
	}
	r.fatalf("no element of %q has %s = %v", path, key, want)
	return nil
}

// Absent asserts that no object in the array at path has want as its member key.
func (r *Response) Absent(path, key string, want any) *Response {
	w := normal(want)
	for _, e := range r.List(path) {
		if o, ok := e.(map[string]any); ok && reflect.DeepEqual(o[key], w) {
			r.errorf("an element of %q has %s = %v", path, key, want)
		}
	}
	return r
}

// cookie returns the hxa_session cookie that the response sets.
func (r *Response) cookie() (*http.Cookie, bool) {
	for _, c := range r.cookies {
		if c.Name == "hxa_session" {
			return c, true
		}
	}
	return nil, false
}

// normal returns v encoded as JSON and decoded again, so that it can be compared with decoded
// values.
func normal(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("conformance: an expected value cannot be encoded as JSON: %v", err))
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		panic(fmt.Sprintf("conformance: reading back %s: %v", text, err))
	}
	return out
}

// show returns v as JSON for a message.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(text), 200)
}
