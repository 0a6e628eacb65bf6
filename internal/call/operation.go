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

// Operation is one RPC of the schema, bound to the service that implements it.
type Operation struct {
	Procedure  string // "/b2b.v1.ThreadService/CreateThread"
	Desc       protoreflect.MethodDescriptor
	Access     *optionsv1.Access
	Rest       *optionsv1.Rest         // never nil
	HTTP       []*annotations.HttpRule // the rule and its additional bindings; empty: no REST
	WebSocket  string                  // operation name over WebSocket; empty: none
	Changes    bool                    // its request has a request_id
	Reads      bool                    // unary, a GET over REST, and changes nothing
	Waits      bool                    // its request has wait_seconds
	SendsFile  bool                    // it streams the bytes of a file to the client
	NewRequest func() proto.Message
	Bounds     func(proto.Message) error // checks the limits of the schema; nil: it has none
	Invoke     func(context.Context, proto.Message) (proto.Message, error)
	// Stream replaces Invoke in operations with a response stream.
	Stream func(ctx context.Context, req proto.Message, send func(proto.Message) error) error
	// Receive replaces Invoke in operations with a request stream, such as an upload. next
	// returns the next message, which is valid until the following call, or io.EOF.
	Receive func(ctx context.Context, next func() (proto.Message, error)) (proto.Message, error)
}

// CheckBounds returns an error for a request that exceeds a limit of the schema. It leaves out
// the limits that the service checks itself, between its other checks ([InTurn]).
func (op *Operation) CheckBounds(req proto.Message) error {
	if op.Bounds == nil {
		return nil
	}
	return limitError(op.Bounds(req))
}

// describe adds the options of the procedure in the schema to op. It panics when the schema
// lacks the procedure or its access option, which tests detect.
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
	op.Waits = op.Desc.Input().Fields().ByName("wait_seconds") != nil
	if len(op.HTTP) > 0 {
		method, _ := Route(op.HTTP[0])
		op.Reads = method == http.MethodGet && !op.Changes && op.Invoke != nil
	}
	return &op
}

// Route returns the method and the path pattern of an HTTP rule; both are empty for a rule
// without a pattern.
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
