package wireschema

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// WireOptions returns the wire-JSON options of a field; unset ones are zero.
func WireOptions(f *protogen.Field) *optionsv1.Wire {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
}

// MessageOptions returns the wire-JSON options of a message; unset ones are zero.
func MessageOptions(m *protogen.Message) *optionsv1.WireMessage {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
}

// Access returns who may call a method.
func Access(m *protogen.Method) *optionsv1.Access {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Access).(*optionsv1.Access)
}

// RestOptions returns what the options add to the HTTP rule of a method.
func RestOptions(m *protogen.Method) *optionsv1.Rest {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Rest).(*optionsv1.Rest)
}

// WebSocketName returns the name of a method over WebSocket, or "".
func WebSocketName(m *protogen.Method) string {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Websocket).(string)
}

// Public reports whether callers need no credential.
func Public(a *optionsv1.Access) bool {
	return slices.Contains(a.GetCallers(), optionsv1.Caller_CALLER_NOBODY)
}

// CallerText returns the name of a kind of caller, e.g. "org_admin".
func CallerText(c optionsv1.Caller) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "CALLER_"))
}

// ScopeText returns the name of a scope as in the wire JSON of tokens.
func ScopeText(s optionsv1.Scope) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SCOPE_"))
}

// CallersText returns a sentence that names the callers of a method and the scope they need.
func CallersText(a *optionsv1.Access) string {
	if Public(a) {
		return "Anyone may call this, without a credential."
	}
	var kinds []string
	for _, c := range a.GetCallers() {
		kinds = append(kinds, strings.ReplaceAll(CallerText(c), "_", " ")+"s")
	}
	text := "Callers: " + strings.Join(kinds, ", ") + "."
	if a.GetScope() != optionsv1.Scope_SCOPE_UNSPECIFIED {
		text += fmt.Sprintf(" Scope of a bot's token: `%s`.", ScopeText(a.GetScope()))
	}
	return text
}
