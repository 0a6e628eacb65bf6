package mcp

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Scopes are the scopes of a credential, by their names: full, read, thread, message and others.
type Scopes []string

// Full is the scope of a primary token.
const Full = "full"

// allow reports whether the scopes satisfy what an operation needs.
func (s Scopes) allow(need optionsv1.Scope) bool {
	if slices.Contains(s, Full) {
		return true
	}
	switch need {
	case optionsv1.Scope_SCOPE_UNSPECIFIED:
		return true
	case optionsv1.Scope_SCOPE_READ:
		return slices.Contains(s, "read")
	case optionsv1.Scope_SCOPE_MESSAGE:
		return slices.Contains(s, "message")
	case optionsv1.Scope_SCOPE_THREAD:
		return slices.Contains(s, "thread")
	case optionsv1.Scope_SCOPE_UPLOAD:
		return slices.Contains(s, "thread") || slices.Contains(s, "message")
	}
	return false
}

// scopeOf returns the scope that an operation needs, by its request: the schema has it beside the RPC.
func scopeOf(request proto.Message) optionsv1.Scope {
	d := request.ProtoReflect().Descriptor()
	services := d.ParentFile().Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			if methods.Get(j).Input().FullName() == d.FullName() {
				return accessOf(methods.Get(j)).GetScope()
			}
		}
	}
	return optionsv1.Scope_SCOPE_FULL // no operation: only the whole credential would do
}

func accessOf(m protoreflect.MethodDescriptor) *optionsv1.Access {
	access, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
	return access
}
