package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A route is one HTTP binding of an operation, with everything that the schema declares about it.
type route struct {
	op       *call.Operation
	hasBody  bool            // the rule maps the body to the request
	vars     []string        // fields set by path variables, in the order of the path
	skip     map[string]bool // the same fields
	status   int
	statuses []statusWhen
	etag     []protoreflect.FieldDescriptor // the path to the revision; empty: none
	body     string                         // the field of the response that is the body; "": the whole response
	next     protoreflect.FieldDescriptor   // the field of the response with the next page token; nil: none
	nextBy   string                         // the query parameter that takes it
	raw      protoreflect.FieldDescriptor   // the body field, if it is a google.api.HttpBody that is written as it is
}

// statusWhen is a success status that depends on the response.
type statusWhen struct {
	path   []protoreflect.FieldDescriptor
	enum   protoreflect.EnumNumber
	text   string
	status int
}

// httpBody is the message type for bytes with a media type.
const httpBody = "google.api.HttpBody"

// newRouter binds every HTTP rule of the operations. It returns an error if a rule is not
// supported, if two rules are ambiguous, or if the schema has a rule without an operation.
func newRouter(operations []*call.Operation) (*router, error) {
	var (
		r     router
		errs  []error
		bound = make(map[protoreflect.FullName]bool, len(operations))
	)
	for _, op := range operations {
		bound[op.Desc.FullName()] = true
		for _, rule := range op.HTTP {
			if err := bind(&r, op, rule); err != nil {
				errs = append(errs, err)
			}
		}
	}
	errs = append(errs, unbound(operations, bound)...)
	return &r, errors.Join(errs...)
}

func bind(r *router, op *call.Operation, rule *annotations.HttpRule) error {
	rt, err := newRoute(op, rule)
	if err != nil {
		return fmt.Errorf("the HTTP rule of %s: %w", op.Procedure, err)
	}
	method, pattern := call.Route(rule)
	if err := r.add(method, pattern, rt); err != nil {
		return err
	}
	rt.skip = make(map[string]bool, len(rt.vars))
	for _, name := range rt.vars {
		f := op.Desc.Input().Fields().ByName(protoreflect.Name(name))
		if f == nil || f.IsList() || f.Message() != nil {
			return fmt.Errorf("%s %s of %s: {%s} is not a singular field of the request", method, pattern, op.Procedure, name)
		}
		rt.skip[name] = true
	}
	return nil
}

func newRoute(op *call.Operation, rule *annotations.HttpRule) (*route, error) {
	rt := &route{op: op, hasBody: rule.GetBody() == "*", body: rule.GetResponseBody(), status: http.StatusOK}
	method, _ := call.Route(rule)
	switch {
	case method == "" || method == http.MethodHead || method == http.MethodOptions || method != strings.ToUpper(method):
		return nil, fmt.Errorf("the method %q cannot be bound", method)
	case rule.GetBody() != "" && !rt.hasBody:
		return nil, fmt.Errorf("body %q: only * is supported", rule.GetBody())
	case rt.hasBody && method == http.MethodGet:
		return nil, errors.New("GET has no body")
	}
	if upload := (*b2bv1.UploadFileRequest)(nil).ProtoReflect().Descriptor(); op.Receive != nil && op.Desc.Input() != upload {
		return nil, fmt.Errorf("a stream of requests is read from a form, as %s", upload.FullName())
	}
	return rt, rt.describeResponse()
}

// describeResponse reads what the schema declares about the response.
func (rt *route) describeResponse() (err error) {
	output := rt.op.Desc.Output()
	if f := output.Fields().ByName(protoreflect.Name(rt.body)); f != nil && f.Message() != nil && f.Message().FullName() == httpBody && !f.IsList() {
		rt.raw = f
	} else if err := encodes(output, rt.body); err != nil {
		return fmt.Errorf("response_body: %w", err)
	}
	if f := output.Fields().ByName("next_cursor"); f != nil {
		if rt.nextBy = "cursor"; rt.op.Desc.Input().Fields().ByName("cursor") == nil {
			rt.nextBy = "before"
		}
		if f.Kind() != protoreflect.StringKind || rt.op.Desc.Input().Fields().ByName(protoreflect.Name(rt.nextBy)) == nil {
			return errors.New("next_cursor is not a string that the request takes")
		}
		rt.next = f
	}
	if status := int(rt.op.Rest.GetStatus()); status != 0 {
		rt.status = status
	}
	if rt.status < 200 || rt.status > 299 {
		return fmt.Errorf("status %d is not a success status", rt.status)
	}
	for _, when := range rt.op.Rest.GetStatusWhen() {
		w := statusWhen{text: when.GetEquals(), status: int(when.GetStatus())}
		if w.path, err = fieldPath(output, when.GetField()); err != nil {
			return fmt.Errorf("status_when: %w", err)
		}
		if w.status < 200 || w.status > 599 {
			return fmt.Errorf("status_when: %d is not an HTTP status", w.status)
		}
		switch last := w.path[len(w.path)-1]; last.Kind() {
		case protoreflect.EnumKind:
			v := enumValue(last.Enum(), w.text)
			if v == nil {
				return fmt.Errorf("status_when: %s has no value %q", last.FullName(), w.text)
			}
			w.enum = v.Number()
		case protoreflect.StringKind:
		default:
			return fmt.Errorf("status_when: %s is neither an enum nor a string", last.FullName())
		}
		rt.statuses = append(rt.statuses, w)
	}
	if tag := rt.op.Rest.GetEtag(); tag != "" {
		if rt.etag, err = fieldPath(output, tag); err != nil {
			return fmt.Errorf("etag: %w", err)
		}
		switch last := rt.etag[len(rt.etag)-1]; last.Kind() {
		case protoreflect.Int32Kind, protoreflect.Int64Kind:
		default:
			return fmt.Errorf("etag: %s is not an integer", last.FullName())
		}
	}
	return nil
}

// encodes reports as an error that a field of a message cannot be written as wire JSON.
func encodes(d protoreflect.MessageDescriptor, field string) error {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return err
	}
	_, err = wire.AppendField(nil, t.New().Interface(), field)
	return err
}

// fieldPath resolves a dotted path of singular fields.
func fieldPath(d protoreflect.MessageDescriptor, dotted string) ([]protoreflect.FieldDescriptor, error) {
	var path []protoreflect.FieldDescriptor
	for name := range strings.SplitSeq(dotted, ".") {
		if d == nil {
			return nil, fmt.Errorf("%q leads through a field that is not a message", dotted)
		}
		f := d.Fields().ByName(protoreflect.Name(name))
		if f == nil || f.IsList() || f.IsMap() {
			return nil, fmt.Errorf("%s has no singular field %q", d.FullName(), name)
		}
		path = append(path, f)
		d = f.Message()
	}
	return path, nil
}

// follow returns the value at the end of a path of fields. Absent messages on the path count as
// empty.
func follow(m proto.Message, path []protoreflect.FieldDescriptor) protoreflect.Value {
	at := m.ProtoReflect()
	for _, f := range path[:len(path)-1] {
		at = at.Get(f).Message()
	}
	return at.Get(path[len(path)-1])
}

// enumValue finds the value of an enum by its text in wire JSON: JOIN_STATUS_ACTIVE of JoinStatus
// is "active".
func enumValue(d protoreflect.EnumDescriptor, text string) protoreflect.EnumValueDescriptor {
	var name strings.Builder
	for i, c := range string(d.Name()) {
		if i > 0 && 'A' <= c && c <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(c)
	}
	name.WriteByte('_')
	name.WriteString(text)
	return d.Values().ByName(protoreflect.Name(strings.ToUpper(name.String())))
}

// unbound returns an error for each RPC with an HTTP rule but without an operation, in the packages
// of the operations.
func unbound(operations []*call.Operation, bound map[protoreflect.FullName]bool) (errs []error) {
	var packages []protoreflect.FullName
	for _, op := range operations {
		if p := op.Desc.ParentFile().Package(); !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	for _, p := range packages {
		protoregistry.GlobalFiles.RangeFilesByPackage(p, func(file protoreflect.FileDescriptor) bool {
			for i := range file.Services().Len() {
				methods := file.Services().Get(i).Methods()
				for j := range methods.Len() {
					d := methods.Get(j)
					rule, _ := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
					if rule.GetPattern() != nil && !bound[d.FullName()] {
						errs = append(errs, fmt.Errorf("%s has an HTTP rule but no operation", d.FullName()))
					}
				}
			}
			return true
		})
	}
	return errs
}
