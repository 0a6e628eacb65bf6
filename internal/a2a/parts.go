package a2a

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The media types of the content of messages and artifacts.
const (
	typeText     = "text/plain"
	typeMarkdown = "text/markdown"
	typeJSON     = "application/json"
)

// What a message to a thread may have at most (B2B-LIM), less some room for the mention of the agent.
const (
	mostParts    = 50
	mostText     = 65_000 // UTF-16 units
	mostMetadata = 16_384 // bytes of JSON
)

// sent is a message of a client, as it is sent to the thread.
type sent struct {
	text  string          // the text parts, one after the other
	parts []*b2bv1.Part   // the others
	files []upload        // those that must be stored first
	push  *a2a.PushConfig // that it came with, checked; nil: none
}

// upload is a file that a client sent within its message.
type upload struct {
	at         int // which of the parts it becomes
	name, mime string
	content    []byte
}

// received takes the parts of a message of a client apart.
func received(parts a2a.ContentParts) (s sent, err error) {
	if len(parts) > mostParts {
		return s, invalid("message.parts: must have at most %d", mostParts)
	}
	var texts []string
	for i, p := range parts {
		if p == nil {
			return s, invalid("message.parts[%d]: is null", i)
		}
		switch c := p.Content.(type) {
		case a2a.Text:
			texts = append(texts, string(c))
		case a2a.Data:
			text, err := json.Marshal(c.Value)
			if err != nil {
				return s, invalid("message.parts[%d].data: %v", i, err)
			}
			if text[0] != '{' && text[0] != '[' {
				return s, invalid("message.parts[%d].data: must be an object or an array", i)
			}
			s.parts = append(s.parts, &b2bv1.Part{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: proto.String(string(text))}}})
		case a2a.URL:
			if u, err := url.Parse(string(c)); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return s, invalid("message.parts[%d].url: must be an http or https URL", i)
			}
			link := &b2bv1.LinkPart{Url: proto.String(string(c))}
			if p.Filename != "" {
				link.Title = &p.Filename
			}
			s.parts = append(s.parts, &b2bv1.Part{Part: &b2bv1.Part_Link{Link: link}})
		case a2a.Raw:
			name := p.Filename
			if name == "" {
				name = fmt.Sprintf("file-%d", i+1)
			}
			s.files = append(s.files, upload{at: len(s.parts), name: name, mime: p.MediaType, content: c})
			s.parts = append(s.parts, nil)
		default:
			return s, invalid("message.parts[%d]: has none of text, raw, url and data", i)
		}
	}
	s.text = strings.Join(texts, "\n\n")
	switch {
	case s.text == "" && len(s.parts) == 0:
		return s, invalid("message.parts: at least one part with content is needed")
	case len(utf16.Encode([]rune(s.text))) > mostText:
		return s, invalid("message.parts: the texts must have at most %d characters together", mostText)
	}
	return s, nil
}

// places makes the URLs of files for a client.
type places struct {
	base  string // of the server, as the client sees it
	agent string // the id of the bot
}

const filePath = "/api/files/"

// file returns the URL at which a client gets a file of the server, with its credential; another URL
// stays as it is.
func (p places) file(at string) string {
	path := strings.TrimPrefix(at, p.base)
	if id, ok := strings.CutPrefix(path, filePath); ok && !strings.ContainsAny(id, "/?#") {
		return p.agentURL() + "/files/" + id
	}
	if strings.HasPrefix(path, "/") {
		return p.base + path
	}
	return at
}

func (p places) agentURL() string { return p.base + "/a2a/" + p.agent }

// partsOf returns the parts of a message: its text, and what the text does not have.
func (p places) partsOf(text string, parts []*b2bv1.Part) a2a.ContentParts {
	out := a2a.ContentParts{}
	if text != "" {
		out = append(out, a2a.NewTextPart(text))
	}
	for _, part := range parts {
		switch c := part.GetPart().(type) {
		case *b2bv1.Part_Text:
			out = appendText(out, text, c.Text.GetContent(), typeText)
		case *b2bv1.Part_Markdown:
			out = appendText(out, text, c.Markdown.GetContent(), typeMarkdown)
		case *b2bv1.Part_Json:
			out = append(out, dataPart(c.Json.GetContent()))
		case *b2bv1.Part_File:
			f := a2a.NewFileURLPart(a2a.URL(p.file(c.File.GetUrl())), c.File.GetMimeType())
			f.Filename = c.File.GetName()
			out = append(out, f)
		case *b2bv1.Part_Image:
			out = append(out, &a2a.Part{Content: a2a.URL(p.file(c.Image.GetUrl())), Filename: c.Image.GetAlt(), MediaType: "image/*"})
		case *b2bv1.Part_Link:
			out = append(out, &a2a.Part{Content: a2a.URL(c.Link.GetUrl()), Filename: c.Link.GetTitle()})
		}
	}
	if len(out) == 0 {
		out = append(out, a2a.NewTextPart(""))
	}
	return out
}

func appendText(out a2a.ContentParts, whole, text, mediaType string) a2a.ContentParts {
	if text == "" || strings.Contains(whole, text) {
		return out
	}
	part := a2a.NewTextPart(text)
	part.MediaType = mediaType
	return append(out, part)
}

// dataPart returns a part of a JSON text; one that is no JSON is text.
func dataPart(text string) *a2a.Part {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return a2a.NewTextPart(text)
	}
	part := a2a.NewDataPart(json.RawMessage(text)) // numbers as they were written
	part.MediaType = typeJSON
	return part
}

// artifactOf returns an artifact, with the version in its metadata.
func (p places) artifactOf(a *b2bv1.Artifact) *a2a.Artifact {
	var part *a2a.Part
	content := a.GetContent()
	switch a.GetType() {
	case b2bv1.ArtifactType_ARTIFACT_TYPE_LINK, b2bv1.ArtifactType_ARTIFACT_TYPE_FILE:
		part = &a2a.Part{Content: a2a.URL(p.file(a.GetUrl())), Filename: a.GetTitle(), MediaType: a.GetMimeType()}
		if a.GetUrl() == "" {
			part = &a2a.Part{Content: a2a.Text(content), MediaType: typeText}
		}
	case b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN:
		part = &a2a.Part{Content: a2a.Text(content), MediaType: typeMarkdown}
	case b2bv1.ArtifactType_ARTIFACT_TYPE_JSON:
		part = dataPart(content)
	default:
		part = &a2a.Part{Content: a2a.Text(content), MediaType: typeText}
	}
	out := &a2a.Artifact{
		ID: a2a.ArtifactID(a.GetArtifactKey()), Name: a.GetTitle(), Parts: a2a.ContentParts{part},
		Metadata: map[string]any{"version": a.GetVersion()},
	}
	if a.GetLanguage() != "" {
		out.Metadata["language"] = a.GetLanguage()
	}
	if a.GetContributorId() != "" {
		out.Metadata["contributor_id"] = a.GetContributorId()
	}
	return out
}
