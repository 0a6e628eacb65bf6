package mcp

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type artifactIn struct {
	Action   string `json:"action" jsonschema:"list, get (the content), versions, diff (two versions, line by line), put (new, or the next version)"`
	Thread   string `json:"thread" jsonschema:"id of the thread"`
	Key      string `json:"key,omitempty" jsonschema:"its name in the thread, such as report"`
	Version  int32  `json:"version,omitempty" jsonschema:"get, diff: default is the newest"`
	Against  int32  `json:"against,omitempty" jsonschema:"diff: the older version; default is the one before"`
	Content  string `json:"content,omitempty" jsonschema:"put: the whole text"`
	Type     string `json:"type,omitempty" jsonschema:"put, for a new one"`
	Title    string `json:"title,omitempty" jsonschema:"put"`
	Language string `json:"language,omitempty" jsonschema:"put: of code"`
	URL      string `json:"url,omitempty" jsonschema:"put: of a link or file"`
	Cursor   string `json:"cursor,omitempty" jsonschema:"next of an earlier list"`
	Delivery string `json:"delivery,omitempty" jsonschema:"put: from wait, settles it"`
}

type artifactsOut struct {
	Artifacts []artifactOut `json:"artifacts"`
	Diff      string        `json:"diff,omitempty"`
	Left      int           `json:"left_out,omitempty"`
	Next      string        `json:"next,omitempty"`
}

func artifactTool() tool {
	add := &b2bv1.AddArtifactRequest{}
	return with(tool{
		name: "artifact", title: "Documents of a thread", effect: adds, needs: []proto.Message{&b2bv1.ListArtifactsRequest{}, add},
		text: "Reads and writes the versioned documents (artifacts) of a thread: results, reports, code. Each put is a version; none is lost. " +
			"Use it for what others shall work on or check, and a message to tell them.",
	}, inputOf[artifactIn]([]field{{"key", add, "artifact_key"}, {"type", add, "type"}},
		[]enum{{"action", []string{"list", "get", "versions", "diff", "put"}}}), artifact)
}

func artifact(ctx context.Context, c *call, in artifactIn) error {
	if in.Key == "" && in.Action != "list" {
		return invalid("key: is required")
	}
	switch in.Action {
	case "put":
		return putArtifact(ctx, c, in)
	case "get":
		a, err := c.version(ctx, in.Thread, in.Key, in.Version)
		if err != nil {
			return err
		}
		return c.artifacts(artifactsOut{Artifacts: []artifactOut{c.artifact(a, onBytes)}})
	case "diff":
		return diffArtifact(ctx, c, in)
	case "versions":
		res, err := c.Client.Artifacts.ListArtifactVersions(ctx, &b2bv1.ListArtifactVersionsRequest{
			ThreadId: in.Thread, ArtifactKey: in.Key, Limit: proto.Int32(usualArtifacts), Cursor: text(in.Cursor),
		})
		if err != nil {
			return err
		}
		return c.artifacts(c.listed(res.GetArtifacts(), res.GetNextCursor()))
	}
	res, err := c.Client.Artifacts.ListArtifacts(ctx, &b2bv1.ListArtifactsRequest{ThreadId: in.Thread, Limit: proto.Int32(usualArtifacts), Cursor: text(in.Cursor)})
	if err != nil {
		return err
	}
	return c.artifacts(c.listed(res.GetArtifacts(), res.GetNextCursor()))
}

// usualArtifacts is how many artifacts a page has.
const usualArtifacts = 50

func (c *call) listed(artifacts []*b2bv1.Artifact, next string) artifactsOut {
	out := artifactsOut{Artifacts: []artifactOut{}, Next: next}
	for _, a := range artifacts {
		out.Artifacts = append(out.Artifacts, c.artifact(a, 0))
	}
	return out
}

func (c *call) artifacts(out artifactsOut) error {
	c.data = out
	if len(out.Artifacts) == 0 {
		c.line("There are no artifacts.")
	}
	for _, a := range out.Artifacts {
		c.showArtifact(a)
	}
	if out.Diff != "" {
		c.body(out.Diff)
	}
	if out.Left > 0 {
		c.line("%d bytes of the diff are left out.", out.Left)
	}
	c.next(out.Next)
	return nil
}

// putArtifact adds a version of an artifact, which is the first if there is none.
func putArtifact(ctx context.Context, c *call, in artifactIn) error {
	h, err := parseHeld(in.Delivery)
	if err != nil {
		return err
	}
	versions, err := c.Client.Artifacts.ListArtifactVersions(ctx, &b2bv1.ListArtifactVersionsRequest{ThreadId: in.Thread, ArtifactKey: in.Key, Limit: proto.Int32(1)})
	known := err == nil && len(versions.GetArtifacts()) > 0
	var a *b2bv1.Artifact
	if known {
		var res *b2bv1.UpdateArtifactResponse
		res, err = c.Client.Artifacts.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{
			ThreadId: in.Thread, ArtifactKey: in.Key, Content: &in.Content, Title: text(in.Title), Settles: h.settles(), RequestId: h.requestID(),
		})
		a = res.GetArtifact()
	} else {
		req := &b2bv1.AddArtifactRequest{
			ThreadId: in.Thread, ArtifactKey: &in.Key, Content: text(in.Content), Title: text(in.Title), Language: text(in.Language), Url: text(in.URL),
			Settles: h.settles(), RequestId: h.requestID(),
		}
		if in.Type != "" {
			req.Type = b2bv1.ArtifactType(enumNumber(req.GetType().Descriptor(), in.Type)).Enum()
		}
		var res *b2bv1.AddArtifactResponse
		res, err = c.Client.Artifacts.AddArtifact(ctx, req)
		a = res.GetArtifact()
	}
	if err != nil {
		return err
	}
	shown := c.artifact(a, 0)
	c.data = artifactsOut{Artifacts: []artifactOut{shown}}
	c.line("Stored as version %d.", shown.Version)
	c.settledLine(h)
	return nil
}

// mostDiff bounds the texts that are compared, in bytes each: comparing takes time and memory that grow
// with the product of their lines that differ.
const mostDiff = 256 << 10

func diffArtifact(ctx context.Context, c *call, in artifactIn) error {
	newer, err := c.version(ctx, in.Thread, in.Key, in.Version)
	if err != nil {
		return err
	}
	if in.Against == 0 {
		in.Against = newer.GetVersion() - 1
	}
	if in.Against < 1 {
		return invalid("against: there is no version before %d", newer.GetVersion())
	}
	older, err := c.version(ctx, in.Thread, in.Key, in.Against)
	if err != nil {
		return err
	}
	if len(newer.GetContent()) > mostDiff || len(older.GetContent()) > mostDiff {
		return invalid("the artifact is too large for a diff: get both versions")
	}
	out := artifactsOut{Artifacts: []artifactOut{c.artifact(older, 0), c.artifact(newer, 0)}}
	lines := diff(strings.Split(clean(older.GetContent()), "\n"), strings.Split(clean(newer.GetContent()), "\n"))
	if len(lines) == 0 {
		lines = []string{"no line differs"}
	}
	out.Diff, out.Left = c.take(strings.Join(lines, "\n"), onBytes)
	return c.artifacts(out)
}

// diffLines bounds how many lines that differ are aligned; beyond that all of the old are removed and
// all of the new added.
const diffLines = 2000

// diff returns the lines that were removed and added, with the numbers of the lines before each group.
func diff(a, b []string) (out []string) {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	group := -1
	show := func(sign string, i, j int, line string) {
		if group != i+j {
			out = append(out, fmt.Sprintf("@@ -%d +%d @@", i+1, j+1))
		}
		out = append(out, sign+line)
		group = i + j + 1
	}
	old, fresh := a[start:endA], b[start:endB]
	if len(old) > diffLines || len(fresh) > diffLines {
		for i, line := range old {
			show("-", start+i, start, line)
		}
		for j, line := range fresh {
			show("+", start+len(old), start+j, line)
		}
		return out
	}
	// common[i][j] is how many lines the rest of both from i and j have in common, in order.
	width := len(fresh) + 1
	common := make([]uint16, (len(old)+1)*width)
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(fresh) - 1; j >= 0; j-- {
			if old[i] == fresh[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(old) || j < len(fresh); {
		switch {
		case i < len(old) && j < len(fresh) && old[i] == fresh[j]:
			i, j = i+1, j+1
		case j == len(fresh) || i < len(old) && common[(i+1)*width+j] >= common[i*width+j+1]:
			show("-", start+i, start+j, old[i])
			i++
		default:
			show("+", start+i, start+j, fresh[j])
			j++
		}
	}
	return out
}
