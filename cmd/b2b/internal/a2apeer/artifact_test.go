package a2apeer

import (
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestArtifactKeys(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ name, id, want string }{
		{"report.markdown", "1", "report.markdown"}, {"", "artifact-1", "artifact-1"}, {"Die Übersicht", "x", "Die--bersicht"}, {"../../etc/passwd", "x", "etc-passwd"},
		{"图", "a1", "a1"}, {".", "..", "artifact-"}, {"a~b_c.d", "x", "a~b_c.d"}, {strings.Repeat("n", 500), "x", strings.Repeat("n", 200)},
	} {
		got := artifactKey(k.name, k.id)
		if got != k.want && !(strings.HasSuffix(k.want, "-") && strings.HasPrefix(got, k.want)) {
			t.Errorf("artifactKey(%q, %q) = %q, want %q", k.name, k.id, got, k.want)
		}
	}
}

// checkOutputs checks what must hold for every artifact: keys of their own that the API takes, and a
// content of the right kind.
func checkOutputs(t *testing.T, a *artifact) {
	t.Helper()
	keys := map[string]bool{}
	for _, o := range a.outputs() {
		if err := limits.ArtifactKey(o.key + "-0123456789abcdef"); err != nil || keys[o.key] {
			t.Errorf("the key %q: %v", o.key, err)
		}
		keys[o.key] = true
		if name, err := limits.FileName(o.name); o.file != nil && (err != nil || name != o.name) {
			t.Errorf("the file name %q: %v", o.name, err)
		}
		if o.kind == b2bv1.ArtifactType_ARTIFACT_TYPE_UNSPECIFIED || o.file != nil && o.kind != b2bv1.ArtifactType_ARTIFACT_TYPE_FILE || len(o.text) > mostInline {
			t.Errorf("the artifact %s has the type %v", o.key, o.kind)
		}
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	typed := func(text, media, name string) *a2a.Part {
		return &a2a.Part{Content: a2a.Text(text), MediaType: media, Filename: name}
	}
	const (
		plain, markdown, jsonType = b2bv1.ArtifactType_ARTIFACT_TYPE_TEXT, b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN, b2bv1.ArtifactType_ARTIFACT_TYPE_JSON
		code, file, link          = b2bv1.ArtifactType_ARTIFACT_TYPE_CODE, b2bv1.ArtifactType_ARTIFACT_TYPE_FILE, b2bv1.ArtifactType_ARTIFACT_TYPE_LINK
	)
	for name, k := range map[string]struct {
		title string
		parts []*a2a.Part
		want  []output
	}{
		"text":          {"notes", []*a2a.Part{typed("a", "", ""), typed("b", "", "")}, []output{{key: "notes", kind: plain, text: "ab"}}},
		"by its name":   {"notes.markdown", []*a2a.Part{typed("a", "text/plain", "")}, []output{{key: "notes.markdown", kind: markdown, text: "a"}}},
		"by its type":   {"notes.txt", []*a2a.Part{typed("a", "text/markdown; charset=utf-8", "")}, []output{{key: "notes.txt", kind: markdown, text: "a"}}},
		"code":          {"x", []*a2a.Part{typed("a", "text/x-python", "")}, []output{{key: "x", kind: code, text: "a", language: "python"}}},
		"code by name":  {"x", []*a2a.Part{typed("a", "", "main.go")}, []output{{key: "x", kind: code, text: "a", language: "go"}}},
		"JSON":          {"x", []*a2a.Part{a2a.NewDataPart(map[string]any{"a": "<&>"})}, []output{{key: "x", kind: jsonType, text: `{"a":"<&>"}`}}},
		"a scalar":      {"x", []*a2a.Part{a2a.NewDataPart(nil)}, []output{{key: "x", kind: jsonType, text: "null"}}},
		"a file":        {"x", []*a2a.Part{{Content: a2a.Raw("b"), Filename: "../a/p.png", MediaType: "image/png"}}, []output{{key: "x", kind: file, file: []byte("b"), name: "p.png", media: "image/png"}}},
		"a bare file":   {"x", []*a2a.Part{{Content: a2a.Raw("b")}}, []output{{key: "x", kind: file, file: []byte("b"), name: "x", media: "application/octet-stream"}}},
		"a link":        {"x", []*a2a.Part{a2a.NewFileURLPart("https://example.com/", "")}, []output{{key: "x", kind: link, link: "https://example.com/"}}},
		"no web link":   {"x", []*a2a.Part{a2a.NewFileURLPart("file:///etc/passwd", "")}, []output{{key: "x", kind: plain, text: "file:///etc/passwd"}}},
		"a long text":   {"x", []*a2a.Part{typed(strings.Repeat("y", mostInline+1), "", "")}, []output{{key: "x", kind: file, file: []byte(strings.Repeat("y", mostInline+1)), name: "x.txt", media: "text/plain"}}},
		"several":       {"x", []*a2a.Part{typed("a\x00b", "", ""), a2a.NewDataPart([]any{1.0}), typed("c", "", "")}, []output{{key: "x", kind: plain, text: "ab"}, {key: "x.2", kind: jsonType, text: "[1]"}, {key: "x.3", kind: plain, text: "c"}}},
		"none":          {"x", nil, nil},
		"unknown types": {"x", []*a2a.Part{typed("a", "nonsense", "")}, []output{{key: "x", kind: plain, text: "a"}}},
	} {
		pieces, err := appendPieces(nil, k.parts, "")
		if err != nil {
			t.Fatal(err)
		}
		a := &artifact{id: "id", name: k.title, pieces: pieces}
		checkOutputs(t, a)
		got := a.outputs()
		if len(got) != len(k.want) {
			t.Fatalf("%s: %d outputs", name, len(got))
		}
		for i, want := range k.want {
			want.title = k.title
			if got[i].hash() != want.hash() || got[i].key != want.key || got[i].language != want.language {
				t.Errorf("%s: %+v", name, got[i])
			}
		}
	}
}
