package a2apeer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"path"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// kind is what a piece is.
type kind int

const (
	textPiece kind = iota
	dataPiece      // JSON
	rawPiece       // the bytes of a file
	linkPiece      // a URL
)

// piece is a part of a message or artifact of an agent.
type piece struct {
	kind        kind
	data        []byte // the text, the JSON, the bytes or the URL
	media, name string
}

// appendPieces adds parts to pieces. Texts of the same type that follow each other are one: agents send
// a text in chunks. between is what comes between them.
func appendPieces(to []piece, parts a2a.ContentParts, between string) ([]piece, error) {
	for _, part := range parts {
		if part == nil {
			continue
		}
		p := piece{media: mediaType(part.MediaType), name: clean(part.Filename, 256)}
		switch c := part.Content.(type) {
		case a2a.Text:
			p.data = []byte(strings.ReplaceAll(string(c), "\x00", ""))
			if n := len(to) - 1; n >= 0 && to[n].kind == textPiece && to[n].media == p.media && to[n].name == p.name {
				to[n].data = append(append(to[n].data, between...), p.data...)
				continue
			}
		case a2a.Data:
			p.kind = dataPiece
			var err error
			if p.data, err = encode(c.Value); err != nil {
				return nil, fmt.Errorf("a data part: %w", err)
			}
		case a2a.Raw:
			p.kind, p.data = rawPiece, c
		case a2a.URL:
			p.kind, p.data = linkPiece, []byte(c)
			if !webLink(string(c)) { // no script, and no file of whoever reads it
				p.kind, p.data = textPiece, []byte(clean(string(c), 2048))
			}
		default:
			continue
		}
		if len(to) == mostPieces {
			return nil, fmt.Errorf("%w: more than %d parts", errTooMuch, mostPieces)
		}
		to = append(to, p)
	}
	return to, nil
}

// encode returns a value as JSON.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// mediaType returns a media type without its parameters; empty if it is none.
func mediaType(text string) string {
	media, _, err := mime.ParseMediaType(text)
	if err != nil || len(media) > 128 || !strings.Contains(media, "/") {
		return ""
	}
	return media
}

func webLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(text) <= 2048
}

// text returns what pieces say in words.
func text(pieces []piece) string {
	var texts []string
	for _, p := range pieces {
		if p.kind == textPiece {
			texts = append(texts, string(p.data))
		}
	}
	return strings.TrimSpace(strings.Join(texts, "\n\n"))
}

// languages are the programming languages of media types and of the ends of names.
var languages = map[string]string{
	"javascript": "javascript", "js": "javascript", "typescript": "typescript", "ts": "typescript", "python": "python", "py": "python",
	"go": "go", "rust": "rust", "rs": "rust", "java": "java", "c": "c", "cpp": "cpp", "sh": "shell", "shellscript": "shell", "sql": "sql",
	"yaml": "yaml", "yml": "yaml", "html": "html", "css": "css", "xml": "xml", "toml": "toml", "ruby": "ruby", "rb": "ruby",
}

// artifactType returns the type of an artifact with a text, and the language of code.
func artifactType(p piece, name string) (t b2bv1.ArtifactType, language string) {
	_, sub, _ := strings.Cut(p.media, "/")
	end := strings.TrimPrefix(strings.ToLower(path.Ext(name)), ".")
	switch {
	case p.kind == dataPiece, sub == "json", strings.HasSuffix(sub, "+json"):
		return b2bv1.ArtifactType_ARTIFACT_TYPE_JSON, ""
	case sub == "markdown":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN, ""
	}
	if language = languages[strings.TrimPrefix(sub, "x-")]; language != "" {
		return b2bv1.ArtifactType_ARTIFACT_TYPE_CODE, language
	}
	switch { // agents rarely say what a text is
	case p.media != "" && p.media != "text/plain":
	case end == "md" || end == "markdown":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN, ""
	case end == "json":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_JSON, ""
	case languages[end] != "":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_CODE, languages[end]
	}
	return b2bv1.ArtifactType_ARTIFACT_TYPE_TEXT, ""
}
