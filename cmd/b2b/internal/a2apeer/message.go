package a2apeer

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mostSent is how many bytes of attachments a message to the agent has.
const mostSent = 20 << 20

// partsOf returns what an item says, in parts of A2A: the text first, then what the message has beside
// it. An attachment that was not fetched is named. prompt says that the text has the context of the item.
func partsOf(i *runner.Item, prompt bool) (a2a.ContentParts, error) {
	var parts a2a.ContentParts
	said := i.Text
	switch d := i.Decision(); {
	case prompt:
		said = i.Prompt()
	case d != nil && len(d.GetChoices()) > 0:
		said += "\n\nAnswer with one of these, and nothing else:\n- " + strings.Join(d.GetChoices(), "\n- ")
	}
	if strings.TrimSpace(said) != "" {
		parts = append(parts, a2a.NewTextPart(said))
	}
	left := int64(mostSent)
	for _, p := range i.Parts {
		part, err := partOf(i, p, &left)
		if err != nil {
			return nil, err
		}
		if part != nil {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// partOf returns a part of a message as one of A2A; nil for a text that the message has already. left is
// how many bytes of files there is room for.
func partOf(i *runner.Item, p *b2bv1.Part, left *int64) (*a2a.Part, error) {
	switch k := p.GetPart().(type) {
	case *b2bv1.Part_Text:
		return textPart(i, k.Text.GetContent(), "text/plain"), nil
	case *b2bv1.Part_Markdown:
		return textPart(i, k.Markdown.GetContent(), "text/markdown"), nil
	case *b2bv1.Part_Json:
		if !json.Valid([]byte(k.Json.GetContent())) {
			return textPart(i, k.Json.GetContent(), "text/plain"), nil
		}
		part := a2a.NewDataPart(json.RawMessage(k.Json.GetContent()))
		part.MediaType = "application/json"
		return part, nil
	case *b2bv1.Part_Link:
		return linkPart(k.Link.GetUrl(), k.Link.GetTitle(), ""), nil
	case *b2bv1.Part_File:
		return filePart(i, k.File.GetUrl(), k.File.GetName(), k.File.GetMimeType(), left)
	case *b2bv1.Part_Image:
		return filePart(i, k.Image.GetUrl(), k.Image.GetAlt(), "", left)
	}
	return nil, nil
}

func textPart(i *runner.Item, content, media string) *a2a.Part {
	if content == i.Text || strings.TrimSpace(content) == "" {
		return nil
	}
	part := a2a.NewTextPart(content)
	part.MediaType = media
	return part
}

func linkPart(address, name, media string) *a2a.Part {
	if !webLink(address) {
		return a2a.NewTextPart(fmt.Sprintf("[link: %s — %s]", name, address))
	}
	part := a2a.NewFileURLPart(a2a.URL(address), media)
	part.Filename = name
	return part
}

// filePart returns an attachment with its bytes, if it was fetched.
func filePart(i *runner.Item, address, name, media string, left *int64) (*a2a.Part, error) {
	f := i.FileAt(address)
	if f == nil && webLink(address) && !strings.Contains(address, "/api/files/") { // it is not on the server
		return linkPart(address, name, media), nil
	}
	if f == nil || f.Size > *left {
		return a2a.NewTextPart(fmt.Sprintf("[file: %s (%s), which was not sent]", name, media)), nil
	}
	bytes, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("read an attachment: %w", err)
	}
	*left -= int64(len(bytes))
	part := a2a.NewRawPart(bytes)
	part.Filename, part.MediaType = f.Name, f.Type
	return part, nil
}
