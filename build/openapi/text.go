package main

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// words is a comment of the schema as running text.
func words(c protogen.CommentSet) string {
	return strings.Join(strings.Fields(string(c.Leading)), " ")
}

// sentenceEnd is where a sentence ends: not behind "e.g." and the like.
var sentenceEnd = regexp.MustCompile(`[^.][^.][.;] `)

// summary is the first sentence of a text, without its full stop.
func summary(text string) string {
	if end := sentenceEnd.FindStringIndex(text); end != nil {
		text = text[:end[1]-2]
	}
	return strings.TrimSuffix(text, ".")
}

// asked is what a request's comment says beside that somebody asks.
func asked(m *protogen.Message) string {
	text := words(m.Comments)
	if !strings.HasPrefix(text, "Asks ") {
		return text
	}
	_, rest, _ := strings.Cut(text, ". ")
	return rest
}

// paragraphs puts texts under one another, without empty ones.
func paragraphs(texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n\n")
}

// enumText is the wire text of an enum value: its name without the prefix of the
// enum, in lower case but for error codes; empty for the unspecified value.
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

// pascal is a name of a field as a name of a schema: thread_created, ThreadCreated.
func pascal(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func wireMarks(f *protogen.Field) *optionsv1.Wire {
	return proto.GetExtension(f.Desc.Options(), optionsv1.E_Wire).(*optionsv1.Wire)
}

func messageMarks(m *protogen.Message) *optionsv1.WireMessage {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
}

func access(m *protogen.Method) *optionsv1.Access {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Access).(*optionsv1.Access)
}

func restMarks(m *protogen.Method) *optionsv1.Rest {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Rest).(*optionsv1.Rest)
}

func websocketName(m *protogen.Method) string {
	return proto.GetExtension(m.Desc.Options(), optionsv1.E_Websocket).(string)
}
