package wireschema

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// sentenceEnd matches the end of a sentence, but not the dots of abbreviations such as "e.g.".
var sentenceEnd = regexp.MustCompile(`[^.][^.][.;] `)

// Comment returns a comment of the schema as one line.
func Comment(c protogen.CommentSet) string {
	return strings.Join(strings.Fields(string(c.Leading)), " ")
}

// Summary returns the first sentence of a text, without its full stop.
func Summary(text string) string {
	if end := sentenceEnd.FindStringIndex(text); end != nil {
		text = text[:end[1]-2]
	}
	return strings.TrimSuffix(text, ".")
}

// RequestText returns the comment of a request message without a first sentence that begins with
// "Asks", which only names the operation.
func RequestText(m *protogen.Message) string {
	text := Comment(m.Comments)
	if !strings.HasPrefix(text, "Asks ") {
		return text
	}
	_, rest, _ := strings.Cut(text, ". ")
	return rest
}

// FieldText returns the comment of a field with its limit, and the unit of a time.
func FieldText(f *protogen.Field) string {
	text := Comment(f.Comments)
	if more := LimitText(f); more != "" {
		text += " " + more
	}
	if Is(f, Timestamp) {
		text = Paragraphs(text, "Unix milliseconds.")
	}
	return text
}

// Paragraphs joins the texts that are not empty, with a blank line between them.
func Paragraphs(texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n\n")
}

// EnumText returns the name of an enum value in wire JSON: without the prefix of the enum, and in
// lower case except for error codes. The unspecified value has the name "".
func EnumText(enum *protogen.Enum, v *protogen.EnumValue) string {
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

// Pascal returns the schema name for a field name: ThreadCreated for thread_created.
func Pascal(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
