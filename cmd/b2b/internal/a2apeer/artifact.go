package a2apeer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mostInline is how long a text can be in an artifact; a longer one is a file.
const mostInline = 256 << 10

// output is an artifact as a thread has it. An artifact of the agent has one for each of its pieces.
type output struct {
	key, title      string
	kind            b2bv1.ArtifactType
	text            string // of text, markdown, JSON and code
	language, media string
	file            []byte // of a file
	name            string // of a file
	link            string
}

// fixed reports whether a new version cannot have another content: the address of a file or link stays.
func (o *output) fixed() bool {
	return o.kind == b2bv1.ArtifactType_ARTIFACT_TYPE_FILE || o.kind == b2bv1.ArtifactType_ARTIFACT_TYPE_LINK
}

// hash tells contents apart.
func (o *output) hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q ", o.kind, o.title, o.text, o.link, o.media, o.name)
	h.Write(o.file)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// outputs returns what a thread has of an artifact.
func (a *artifact) outputs() []output {
	var all []output
	base := artifactKey(a.name, a.id)
	for n, p := range a.pieces {
		o := output{key: base, title: a.name, media: p.media}
		if n > 0 {
			end := "." + strconv.Itoa(n+1)
			o.key = cut(base, limits.MaxArtifactKey-len(end)) + end
		}
		switch {
		case p.kind == linkPiece:
			o.kind, o.link = b2bv1.ArtifactType_ARTIFACT_TYPE_LINK, string(p.data)
			o.title = cmp.Or(o.title, p.name)
		case p.kind == rawPiece, len(p.data) > mostInline:
			o.kind, o.file, o.name = b2bv1.ArtifactType_ARTIFACT_TYPE_FILE, p.data, p.fileName(a.name)
			o.media = p.fileType()
		default:
			o.kind, o.language = artifactType(p, cmp.Or(p.name, a.name))
			o.text, o.media = string(p.data), ""
		}
		all = append(all, o)
	}
	return all
}

// artifactKey makes the key of an artifact of its name, or of its id: letters, digits, '.', '_', '~' and
// '-'.
func artifactKey(name, id string) string {
	for _, text := range []string{name, id} {
		key := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '~', r == '-':
				return r
			}
			return '-'
		}, text)
		if key = strings.Trim(cut(key, 200), ".-"); strings.Trim(key, "._~-") != "" {
			return key
		}
	}
	sum := sha256.Sum256([]byte(id))
	return "artifact-" + hex.EncodeToString(sum[:6])
}

// fileName returns the name of a piece as a file.
func (p *piece) fileName(of string) string {
	name := cmp.Or(p.name, of)
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	if name == "" || name == "." || name == ".." {
		name = "file"
	}
	if path.Ext(name) == "" {
		switch p.kind {
		case textPiece:
			name += ".txt"
		case dataPiece:
			name += ".json"
		}
	}
	return name
}

func (p *piece) fileType() string {
	switch p.kind {
	case textPiece:
		return cmp.Or(p.media, "text/plain")
	case dataPiece:
		return "application/json"
	}
	return cmp.Or(p.media, "application/octet-stream")
}
