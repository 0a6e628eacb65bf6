package main

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// commentText returns a comment of the schema as one line.
func commentText(c protogen.CommentSet) string {
	return strings.Join(strings.Fields(string(c.Leading)), " ")
}

// sentenceEnd matches the end of a sentence, but not the dots of abbreviations such as "e.g.".
var sentenceEnd = regexp.MustCompile(`[^.][^.][.;] `)

// summary returns the first sentence of a text, without its full stop.
func summary(text string) string {
	if end := sentenceEnd.FindStringIndex(text); end != nil {
		text = text[:end[1]-2]
	}
	return strings.TrimSuffix(text, ".")
}

// requestText returns the comment of a request message without a first sentence that begins with
// "Asks", which only names the operation.
func requestText(m *protogen.Message) string {
	text := commentText(m.Comments)
	if !strings.HasPrefix(text, "Asks ") {
		return text
	}
	_, rest, _ := strings.Cut(text, ". ")
	return rest
}

// paragraphs joins the texts that are not empty, with a blank line between them.
func paragraphs(texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n\n")
}

// enumText returns the name of an enum value in wire JSON: without the prefix of the enum, and in
// lower case except for error codes. The unspecified value has the name "".
func enumText(enum *protogen.Enum, v *protogen.EnumValue) string {
	if v.Desc.Number() == 0 {
		return ""
	}
	prefix := strings.TrimSuffix(string(enum.Values[0].Desc.Name()), "UNSPECIFIED")
	text := strings.TrimPrefix(string(v.Desc.Name()), prefix)
	if enum.Desc.Name() == "ErrorCode" {
		return text
	}
	return strings.ToLower(text)
}

// pascal returns the schema name for a field name: ThreadCreated for thread_created.
func pascal(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func wireOptions(f *protogen.Field) *optionsv1.Wire {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
}

func messageOptions(m *protogen.Message) *optionsv1.WireMessage {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
}

func access(m *protogen.Method) *optionsv1.Access {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Access).(*optionsv1.Access)
}

func restOptions(m *protogen.Method) *optionsv1.Rest {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Rest).(*optionsv1.Rest)
}

func websocketName(m *protogen.Method) string {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Websocket).(string)
}
