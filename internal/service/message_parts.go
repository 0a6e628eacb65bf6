package service

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// checkParts checks parts in the order of their index (B2B-MSG-006, B2B-MSG-007). It returns what
// limits.ResolveContent needs of them; nil when the message has no parts. Bindings with wire JSON
// have checked most of this before; for Connect this is the only check.
func checkParts(list *b2bv1.PartList) ([]limits.Part, error) {
	if list == nil {
		return nil, nil
	}
	parts := make([]limits.Part, len(list.Values))
	for i, p := range list.Values {
		part, problem := readPart(p)
		if problem != "" {
			return nil, call.Invalid("parts[%d]: %s", i, problem)
		}
		parts[i] = part
	}
	return parts, nil
}

// readPart returns the type and content of a part, or what is wrong with it.
func readPart(p *b2bv1.Part) (part limits.Part, problem string) {
	var body proto.Message
	switch v := p.GetPart().(type) {
	case *b2bv1.Part_Text:
		body, part = v.Text, limits.Part{Type: "text", Content: v.Text.GetContent()}
		problem = needs(body, "content")
	case *b2bv1.Part_Markdown:
		body, part = v.Markdown, limits.Part{Type: "markdown", Content: v.Markdown.GetContent()}
		problem = needs(body, "content")
	case *b2bv1.Part_Json:
		body, part = v.Json, limits.Part{Type: "json"}
		problem = jsonProblem(v.Json.GetContent())
	case *b2bv1.Part_File:
		body, part = v.File, limits.Part{Type: "file"}
		problem = needs(body, "url", "name", "mime_type")
	case *b2bv1.Part_Image:
		body, part = v.Image, limits.Part{Type: "image"}
		problem = needs(body, "url")
	case *b2bv1.Part_Link:
		body, part = v.Link, limits.Part{Type: "link"}
		problem = needs(body, "url")
	default:
		return part, "type must be text, markdown, json, file, image or link"
	}
	if problem == "" && p.Extra != nil {
		problem = extraProblem(*p.Extra, body)
	}
	return part, problem
}

// needs returns the problem of the first of the fields that is absent, or nothing.
func needs(m proto.Message, fields ...protoreflect.Name) string {
	r := m.ProtoReflect()
	known := r.Descriptor().Fields()
	for _, field := range fields {
		if !r.Has(known.ByName(field)) {
			return string(field) + " is required"
		}
	}
	return ""
}

func jsonProblem(text string) string {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" || text[0] != '{' && text[0] != '[' || !json.Valid([]byte(text)) {
		return "content must be a JSON object or array"
	}
	return ""
}

// extraProblem checks the extra keys of a part: none may have the name of a field that is set. An
// optional field that the client sent with another type is an extra key, and the field is absent.
func extraProblem(extra string, body proto.Message) string {
	if limits.Width(extra) > limits.MaxElements {
		return fmt.Sprintf("extra must have at most %d elements", limits.MaxElements)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(extra), &keys); err != nil || keys == nil {
		return "extra must be a JSON object"
	}
	r := body.ProtoReflect()
	for key := range keys {
		field := r.Descriptor().Fields().ByName(protoreflect.Name(key))
		if key == "type" || field != nil && r.Has(field) {
			return fmt.Sprintf("extra must not have the key %q", key)
		}
	}
	return ""
}

// storedParts returns the wire JSON of parts to store; nil when the message has no parts.
func storedParts(list *b2bv1.PartList) *string {
	if list == nil {
		return nil
	}
	text := string(wire.AppendPartList(nil, list))
	return &text
}

// readStoredParts is the opposite of storedParts. ok is false for absent parts, and for unreadable
// ones of an old database; the message then shows its content.
func readStoredParts(text *string) (parts []*b2bv1.Part, ok bool) {
	if text == nil {
		return nil, false
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	buf.B = append(buf.B, *text...)
	var list b2bv1.PartList
	if err := wire.Decode(buf.B, &list); err != nil {
		return nil, false
	}
	return list.Values, true
}

// textSlot holds the text part that a message without parts shows (B2B-MSG-009), in one
// allocation.
type textSlot struct {
	part b2bv1.Part
	kind b2bv1.Part_Text
	text b2bv1.TextPart
	list [1]*b2bv1.Part
}

// parts returns the parts that a message shows: shown or the stored ones, and otherwise one text
// part with the content.
func (s *textSlot) parts(shown []*b2bv1.Part, stored, content *string) []*b2bv1.Part {
	if shown != nil {
		return shown
	}
	if parts, ok := readStoredParts(stored); ok {
		return parts
	}
	s.text.Content = content
	s.kind.Text = &s.text
	s.part.Part = &s.kind
	s.list[0] = &s.part
	return s.list[:]
}
