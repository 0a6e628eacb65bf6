package service

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func textPart(content string) *b2bv1.Part {
	return &b2bv1.Part{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: &content}}}
}

func TestCheckParts(t *testing.T) {
	t.Parallel()
	json := func(text string) *b2bv1.Part {
		return &b2bv1.Part{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: &text}}}
	}
	image := func(url, alt, extra *string) *b2bv1.Part {
		return &b2bv1.Part{Part: &b2bv1.Part_Image{Image: &b2bv1.ImagePart{Url: url, Alt: alt}}, Extra: extra}
	}
	s := func(text string) *string { return &text }
	file := &b2bv1.Part{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: s("/f"), MimeType: s("text/plain")}}}
	for _, c := range []struct {
		name    string
		parts   []*b2bv1.Part
		problem string
	}{
		{"an empty list", nil, ""},
		{"an empty text", []*b2bv1.Part{textPart("")}, ""},
		{"no part at all", []*b2bv1.Part{{}}, "parts[0]: type"},
		{"text without content", []*b2bv1.Part{{Part: &b2bv1.Part_Text{}}}, "parts[0]: content is required"},
		{"an array as json", []*b2bv1.Part{json(" [1]")}, ""},
		{"a number as json", []*b2bv1.Part{json("1")}, "parts[0]: content"},
		{"broken json", []*b2bv1.Part{textPart("x"), json("{")}, "parts[1]: content"},
		{"a file without a name", []*b2bv1.Part{file}, "parts[0]: name is required"},
		{"an empty url", []*b2bv1.Part{image(s(""), nil, nil)}, ""},
		{"further keys", []*b2bv1.Part{image(s("u"), nil, s(`{"w":1}`))}, ""},
		{"an optional key of another type", []*b2bv1.Part{image(s("u"), nil, s(`{"alt":7}`))}, ""},
		{"an extra key with the name of a field", []*b2bv1.Part{image(s("u"), s("a"), s(`{"alt":"b"}`))}, "parts[0]: extra"},
		{"another type", []*b2bv1.Part{image(s("u"), nil, s(`{"type":"text"}`))}, "parts[0]: extra"},
		{"very many further keys", []*b2bv1.Part{image(s("u"), nil, s("{"+strings.Repeat(`"a":0,`, 10_000)+`"b":0}`))}, "parts[0]: extra must have at most 10000 elements"},
		{"further keys that are none", []*b2bv1.Part{image(s("u"), nil, s(`[]`))}, "parts[0]: extra"},
	} {
		_, err := checkParts(&b2bv1.PartList{Values: c.parts})
		switch {
		case c.problem == "" && err != nil:
			t.Errorf("%s: refused: %v", c.name, err)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.problem)
		}
	}
}

func TestStoredPartsRoundTrip(t *testing.T) {
	t.Parallel()
	extra := `{"w":9007199254740993}`
	list := &b2bv1.PartList{Values: []*b2bv1.Part{textPart("<a> & \u2028"), {Part: textPart("b").Part, Extra: &extra}}}
	parts, ok := readStoredParts(storedParts(list))
	if !ok || !proto.Equal(&b2bv1.PartList{Values: parts}, list) {
		t.Errorf("got %v, %v", parts, ok)
	}
	broken := `[{"type":"poem"}]`
	if shown := new(textSlot).parts(nil, &broken, &extra); len(shown) != 1 || shown[0].GetText().GetContent() != extra {
		t.Errorf("unreadable parts show %v, want the content as text", shown)
	}
	none := &b2bv1.PartList{}
	if shown := new(textSlot).parts(nil, storedParts(none), &extra); len(shown) != 0 {
		t.Errorf("an empty list shows %v", shown)
	}
}

func TestMessageMetadata(t *testing.T) {
	t.Parallel()
	owner := "Ada"
	human := `"provenance":{"authored_by":"human","owner_name":"Ada","auth_mode":"web_ui"}}`
	session := &call.Session{OwnerName: &owner}
	for _, c := range []struct {
		sent    string // empty: none
		session *call.Session
		want    string // empty: none
	}{
		{"", nil, ""},
		{"null", nil, ""},
		{`{"b":1, "a":9007199254740993}`, nil, `{"b":1,"a":9007199254740993}`},
		{`"plain"`, nil, "plain"},
		{`["a\u0000b"]`, nil, `["a\u0000b"]`},
		{"", session, "{" + human},
		{"[1]", session, "{" + human},
		{` { "b": [1, 2], "provenance": 1, "a": "<" }`, session, `{"b":[1,2],"a":"<",` + human},
		{"{}", &call.Session{}, `{"provenance":{"authored_by":"human","owner_name":null,"auth_mode":"web_ui"}}`},
	} {
		var sent *string
		if c.sent != "" {
			sent = &c.sent
		}
		got, err := messageMetadata(sent, c.session)
		if err != nil || textOr(got, "") != c.want {
			t.Errorf("metadata %s: got %s, %v; want %s", c.sent, textOr(got, "(none)"), err, c.want)
		}
	}
	for _, broken := range []string{"{", "", `"a\u0000b"`, "1 2"} {
		if _, err := messageMetadata(&broken, nil); err == nil {
			t.Errorf("metadata %.10q was accepted", broken)
		}
	}
}
