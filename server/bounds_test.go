package server_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// tooMuch are the texts of refusals because of a limit.
var tooMuch = []string{"must be at most", "must have at most", "too long", "list at most", "a whole number of"}

// TestBounds checks the fields of all requests. A value at a limit of the schema is accepted, and
// one above it is refused, over REST and over Connect.
func TestBounds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	o := n.newOrg(t, "own")
	checked := 0
	for _, op := range operations() {
		if op.Receive != nil {
			continue // its request is a form or a stream: see the tests of files
		}
		fields := op.Desc.Input().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			limit := limitOf(f)
			if limit.GetOf() == optionsv1.Limit_LIMIT_UNSPECIFIED {
				if f.Message() == nil || f.Message().FullName() != "b2b.v1.PartList" {
					continue
				}
				limit = limitOf(f.Message().Fields().Get(0))
			}
			bound := boundOf(limit.GetOf())
			if bound.GetUnit() == optionsv1.Unit_UNIT_PAGE {
				continue // what is beyond is no error: see TestLists
			}
			checked++
			fits, above := samples(t, f, bound)
			for what, value := range map[string]any{"at": fits, "above": above} {
				for _, via := range []string{"REST", "Connect"} {
					if via == "REST" && headerOf(f) != "" {
						continue // a list in a header: see package wire
					}
					values := limitedCall(t, op, o, f, value)
					var a answer
					var text string
					if via == "REST" && len(op.HTTP) > 0 {
						method, target, body := rest(t, op, values)
						a = n.send(boundsCaller(op, o), method, target, body)
						text = a.code()
					} else {
						a = n.connectJSON(boundsCaller(op, o), op, boundsBody(t, op, values))
						text = connectCode(a)
					}
					hit := text == "VALIDATION_ERROR" && slices.ContainsFunc(tooMuch, func(s string) bool { return strings.Contains(a.body, s) }) &&
						strings.Contains(a.body, string(f.Name()))
					if hit != (what == "above") || a.status >= 500 || text == "INTERNAL_ERROR" {
						t.Errorf("%s.%s %s %s over %s: %v", method(op), f.Name(), what, limit.GetOf(), via, a)
					}
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d limits were found", checked)
	}
}

// TestListsHaveLimits checks that every list of a request, response or event declares its limit.
func TestListsHaveLimits(t *testing.T) {
	t.Parallel()
	seen := make(map[protoreflect.FullName]bool)
	var walk func(m protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || m.ParentFile().Package() != "b2b.v1" {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if f.Message() != nil && !f.IsMap() {
				walk(f.Message())
			}
			listed := f.IsList() && m.FullName() != "b2b.v1.StringList" || f.Message() != nil && f.Message().FullName() == "b2b.v1.StringList"
			if !listed {
				continue
			}
			switch boundOf(limitOf(f).GetOf()).GetUnit() {
			case optionsv1.Unit_UNIT_ITEMS, optionsv1.Unit_UNIT_PAGE, optionsv1.Unit_UNIT_JSON_BYTES:
			default:
				t.Errorf("%s has no limit in the schema", f.FullName())
			}
		}
	}
	for _, op := range operations() {
		walk(op.Desc.Input())
		walk(op.Desc.Output())
	}
}

func limitOf(f protoreflect.FieldDescriptor) *optionsv1.Limited {
	return proto.GetExtension(f.Options(), optionsv1.E_Limit).(*optionsv1.Limited)
}

// headerOf returns the header of a field over REST; "" if it is in the path, the query or the body.
func headerOf(f protoreflect.FieldDescriptor) string {
	return proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire).GetHeader()
}

func boundOf(l optionsv1.Limit) *optionsv1.Bound {
	options := l.Descriptor().Values().ByNumber(l.Number()).Options().(*descriptorpb.EnumValueOptions)
	return proto.GetExtension(options, optionsv1.E_Bound).(*optionsv1.Bound)
}

// rawJSON is a value that is sent as JSON, and over Connect as its text.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// samples returns a value at the bound and one above it; for numbers, also one below.
func samples(t *testing.T, f protoreflect.FieldDescriptor, b *optionsv1.Bound) (fits, above any) {
	t.Helper()
	make := func(n int) any {
		list := f.Message() != nil || f.IsList()
		switch b.GetUnit() {
		case optionsv1.Unit_UNIT_UTF16:
			return strings.Repeat("x", n%2) + strings.Repeat("👍", n/2)
		case optionsv1.Unit_UNIT_BYTES:
			return strings.Repeat("x", n)
		case optionsv1.Unit_UNIT_JSON_BYTES:
			if list {
				return []string{strings.Repeat("x", n-4)}
			}
			return rawJSON(`{"k":"` + strings.Repeat("x", n-8) + `"}`)
		case optionsv1.Unit_UNIT_MEMBER_ITEMS:
			return rawJSON(`{"close":["x"` + strings.Repeat(`,"x"`, n-1) + `]}`)
		case optionsv1.Unit_UNIT_NUMBER:
			return int(b.GetLeast()) - n
		case optionsv1.Unit_UNIT_ITEMS:
			switch {
			case f.Message() != nil && f.Message().FullName() == "b2b.v1.PartList":
				return slices.Repeat([]any{map[string]any{"type": "text", "content": "x"}}, n)
			case f.Enum() != nil:
				return slices.Repeat([]string{strings.ToLower(strings.TrimPrefix(string(f.Enum().Values().Get(1).Name()), enumPrefix(f)))}, n)
			case f.Kind() == protoreflect.Int64Kind:
				return slices.Repeat([]int64{1}, n)
			}
			return slices.Repeat([]string{"message"}, n)
		}
		t.Fatalf("%s has a unit that this test cannot make: %s", f.FullName(), b.GetUnit())
		return nil
	}
	if b.GetUnit() == optionsv1.Unit_UNIT_NUMBER {
		return make(0), make(1)
	}
	return make(int(b.GetMost())), make(int(b.GetMost()) + 1)
}

// limitedCall returns the values of a call in which everything but the tested field is valid, as
// far as it is checked before the limit.
func limitedCall(t *testing.T, op *call.Operation, o *org, f protoreflect.FieldDescriptor, value any) map[string]any {
	t.Helper()
	values := usual(op, idFieldsOf(t, op), o)
	name := string(f.Name())
	switch method(op) {
	case "Login":
		values = map[string]any{"type": "bot", "token": "bot_unknown"}
	case "ListThreads":
		values["scope"] = "org"
	case "AddParticipant", "AddOrgThreadParticipant":
		values["bot_id"] = o.at["bot"]
	case "UpdateOrg", "DeleteOrg", "RotateOrgSecret", "RotateSecret", "RegisterBot", "RedeemInviteCode":
		if strings.Contains("DeleteOrg RotateOrgSecret RotateSecret", method(op)) {
			values["org_id"] = neighbour(o.id) // what is at its limit must not destroy what others need
			if method(op) == "RotateSecret" {
				delete(values, "org_id")
			}
		}
	}
	if method(op) == "DeleteInviteCode" {
		values["id"] = "none"
	}
	values[name] = value
	return values
}

// enumPrefix is what the names of the values of an enum begin with.
func enumPrefix(f protoreflect.FieldDescriptor) string {
	return strings.TrimSuffix(string(f.Enum().Values().Get(0).Name()), "UNSPECIFIED")
}

// boundsCaller returns a caller with access.
func boundsCaller(op *call.Operation, o *org) caller {
	for _, c := range []caller{o.member, o.admin, o.human, o.callers[4], nobody} {
		if allowed(op, c) && !(isPublic(op) && c.kind != "nobody") {
			return c
		}
	}
	return nobody
}

// boundsBody returns a Connect body of values, some of which are in the form of REST.
func boundsBody(t *testing.T, op *call.Operation, values map[string]any) []byte {
	t.Helper()
	out := make(map[string]any, len(values))
	var later map[string]any
	for k, v := range values {
		switch v := v.(type) {
		case rawJSON:
			out[k] = string(v)
		case []any:
			parts := make([]any, len(v))
			for i := range v {
				parts[i] = map[string]any{"text": map[string]any{"content": "x"}}
			}
			later = map[string]any{k: map[string]any{"values": parts}}
		case []string:
			f := op.Desc.Input().Fields().ByName(protoreflect.Name(k))
			if f.Enum() != nil {
				later = map[string]any{k: slices.Repeat([]string{enumPrefix(f) + strings.ToUpper(v[0])}, len(v))}
				continue
			}
			out[k] = v
		default:
			out[k] = v
		}
	}
	body := connectBody(t, op, out)
	if later == nil {
		return body
	}
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for k, v := range later {
		all[op.Desc.Input().Fields().ByName(protoreflect.Name(k)).JSONName()] = v
	}
	return encode(t, all)
}
