package mcp

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// artifactOut is a version of an artifact.
type artifactOut struct {
	Key      string `json:"key"`
	Version  int32  `json:"version"`
	Type     string `json:"type"`
	Title    string `json:"title,omitempty"`
	Language string `json:"language,omitempty"`
	URL      string `json:"url,omitempty"`
	By       string `json:"by_id,omitempty"`
	At       string `json:"at"`
	Content  string `json:"content,omitempty"`
	Left     int    `json:"left_out,omitempty"`
	More     string `json:"more,omitempty"`
}

// artifact takes a version of an artifact to a result, with at most so many bytes of its content.
func (c *call) artifact(a *b2bv1.Artifact, most int) artifactOut {
	out := artifactOut{
		Key: clean(a.GetArtifactKey()), Version: a.GetVersion(), Type: b2b.EnumText(a.GetType()), By: a.GetContributorId(), At: timeOut(a.GetCreatedAt()),
	}
	out.Title, _ = c.take(a.GetTitle(), mostInline)
	out.Language, _ = c.take(a.GetLanguage(), mostInline)
	out.URL, _ = c.take(a.GetUrl(), messageBytes)
	if most == 0 || a.GetContent() == "" {
		return out
	}
	out.Content, out.Left = c.take(a.GetContent(), most)
	if out.Left > 0 {
		out.More = place{kind: "a", in: a.GetThreadId(), id: a.GetArtifactKey(), at: int64(a.GetVersion()), offset: len(out.Content)}.String()
	}
	return out
}

// showArtifact writes a version of an artifact to the text of a result.
func (p *page) showArtifact(a artifactOut) {
	head := fmt.Sprintf("artifact %s version %d, %s, %s", inline(a.Key), a.Version, a.Type, a.At)
	for _, extra := range []string{a.Title, a.Language, a.URL} {
		if extra != "" {
			head += ", " + inline(extra)
		}
	}
	p.about("%s", head)
	p.body(a.Content)
	if a.More != "" {
		p.about("(%d bytes left out: read with more=%s)", a.Left, a.More)
	}
}

// artifactText returns the content of a version of an artifact.
func (c *call) artifactText(ctx context.Context, p place) (string, error) {
	a, err := c.version(ctx, p.in, p.id, int32(p.at))
	return a.GetContent(), err
}

// version returns a version of an artifact; 0: the newest.
func (c *call) version(ctx context.Context, thread, key string, version int32) (*b2bv1.Artifact, error) {
	var found *b2bv1.Artifact
	for a, err := range c.Client.EachArtifactVersion(ctx, &b2bv1.ListArtifactVersionsRequest{ThreadId: thread, ArtifactKey: key, Limit: proto.Int32(50)}) {
		if err != nil {
			return nil, err
		}
		if version == 0 || a.GetVersion() == version {
			found = a
		}
		if a.GetVersion() == version {
			break
		}
	}
	if found == nil {
		return nil, &failure{Code: "NOT_FOUND", Message: fmt.Sprintf("the artifact %s has no such version", inline(strings.TrimSpace(key)))}
	}
	return found, nil
}
