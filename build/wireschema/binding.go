package wireschema

import (
	"fmt"
	"regexp"
	"slices"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Variables matches the Variables of a path.
var Variables = regexp.MustCompile(`\{([^{}]+)\}`)

// A Binding is one HTTP rule of an RPC.
type Binding struct {
	Method   string // in lower case, as in OpenAPI
	Path     string
	Vars     []string
	HasBody  bool            // the request message is the body
	Response *protogen.Field // the part of the response that is written; nil: all of it
}

// NewBinding returns the binding of an HTTP rule of m.
func NewBinding(rule *annotations.HttpRule, m *protogen.Method) (Binding, error) {
	b := Binding{HasBody: rule.GetBody() == "*"}
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		b.Method, b.Path = "get", p.Get
	case *annotations.HttpRule_Put:
		b.Method, b.Path = "put", p.Put
	case *annotations.HttpRule_Post:
		b.Method, b.Path = "post", p.Post
	case *annotations.HttpRule_Delete:
		b.Method, b.Path = "delete", p.Delete
	case *annotations.HttpRule_Patch:
		b.Method, b.Path = "patch", p.Patch
	default:
		return b, fmt.Errorf("the HTTP rule has a method that OpenAPI does not have: %v", rule.GetPattern())
	}
	for _, v := range Variables.FindAllStringSubmatch(b.Path, -1) {
		b.Vars = append(b.Vars, v[1])
	}
	if name := rule.GetResponseBody(); name != "" {
		if b.Response = Field(m.Output, name); b.Response == nil {
			return b, fmt.Errorf("response_body: %s has no field %q", m.Output.Desc.Name(), name)
		}
	}
	return b, nil
}

// Field returns the field of m with a name, or nil.
func Field(m *protogen.Message, name string) *protogen.Field {
	i := slices.IndexFunc(m.Fields, func(f *protogen.Field) bool { return string(f.Desc.Name()) == name })
	if i < 0 {
		return nil
	}
	return m.Fields[i]
}

// SendsFile reports whether a method streams the bytes of a file, which REST writes as the body.
func SendsFile(m *protogen.Method) bool {
	return m.Desc.IsStreamingServer() && slices.ContainsFunc(m.Output.Fields, func(f *protogen.Field) bool {
		return f.Desc.Kind() == protoreflect.BytesKind
	})
}

// StreamsEvents reports whether a method streams anything else, which REST writes as server-sent
// events.
func StreamsEvents(m *protogen.Method) bool { return m.Desc.IsStreamingServer() && !SendsFile(m) }
