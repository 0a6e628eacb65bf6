package call

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Operation is one RPC of the schema, bound to the service that does it.
type Operation struct {
	Procedure  string // "/b2b.v1.ThreadService/CreateThread"
	Desc       protoreflect.MethodDescriptor
	Access     *optionsv1.Access
	Rest       *optionsv1.Rest         // never nil
	HTTP       []*annotations.HttpRule // the rule and its additional bindings; empty: no REST
	WebSocket  string                  // operation name over WebSocket; empty: none
	Changes    bool                    // its request has a request_id
	Reads      bool                    // it answers at once and changes nothing: it is a GET over REST
	SendsFile  bool                    // it streams the bytes of a file; one that Receives takes a file
	NewRequest func() proto.Message
	Bounds     func(proto.Message) error // checks the limits of the schema; nil: there are none
	Invoke     func(context.Context, proto.Message) (proto.Message, error)
	Stream     func(ctx context.Context, req proto.Message, send func(proto.Message) error) error // instead of Invoke
	// Receive, instead of Invoke, takes a stream: next gives its messages, each valid
	// until the next one, and io.EOF at its end.
	Receive func(ctx context.Context, next func() (proto.Message, error)) (proto.Message, error)
}

// CheckBounds refuses a request that is larger than the schema allows, but for what the
// service checks in its turn ([InTurn]).
func (op *Operation) CheckBounds(req proto.Message) error {
	if op.Bounds == nil {
		return nil
	}
	return limitError(op.Bounds(req))
}

// describe fills in what the schema says of the procedure. It panics on a schema
// that breaks the house rules, which the tests meet before any user does.
func describe(op Operation) *Operation {
	name := protoreflect.FullName(op.Procedure[1:])
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			name = name[:i] + "." + name[i+1:]
			break
		}
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		panic(fmt.Sprintf("call: %s is not in the schema: %v", op.Procedure, err))
	}
	op.Desc = d.(protoreflect.MethodDescriptor)
	opts := op.Desc.Options()
	op.Access, _ = proto.GetExtension(opts, optionsv1.E_Access).(*optionsv1.Access)
	if len(op.Access.GetCallers()) == 0 {
		panic(fmt.Sprintf("call: %s does not declare who may call it", op.Procedure))
	}
	op.Rest, _ = proto.GetExtension(opts, optionsv1.E_Rest).(*optionsv1.Rest)
	if op.Rest == nil {
		op.Rest = &optionsv1.Rest{}
	}
	if rule, _ := proto.GetExtension(opts, annotations.E_Http).(*annotations.HttpRule); rule != nil && rule.GetPattern() != nil {
		op.HTTP = append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
	}
	op.WebSocket, _ = proto.GetExtension(opts, optionsv1.E_Websocket).(string)
	sent := op.Desc.Output().Fields()
	for i := range sent.Len() {
		op.SendsFile = op.SendsFile || op.Stream != nil && sent.Get(i).Kind() == protoreflect.BytesKind
	}
	op.Changes = op.Desc.Input().Fields().ByName("request_id") != nil
	if len(op.HTTP) > 0 {
		method, _ := Route(op.HTTP[0])
		op.Reads = method == http.MethodGet && !op.Changes && op.Invoke != nil
	}
	return &op
}

// Route is the method and the pattern of the path of an HTTP rule; empty for a rule
// without.
func Route(rule *annotations.HttpRule) (method, pattern string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}
