package b2btest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// versions are the versions of an artifact, the oldest first.
type versions []*b2bv1.Artifact

func (v versions) latest() *b2bv1.Artifact { return v[len(v)-1] }

// artifact returns the index of the artifact with a key; -1: there is none.
func (t *thread) artifact(key string) int {
	return slices.IndexFunc(t.artifacts, func(v versions) bool { return v.latest().GetArtifactKey() == key })
}

func (h handlers) AddArtifact(ctx context.Context, req *b2bv1.AddArtifactRequest) (*b2bv1.AddArtifactResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	switch {
	case req.GetArtifactKey() == "":
		return nil, invalid("artifact_key: is required")
	case t.artifact(req.GetArtifactKey()) >= 0:
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_CONFLICT, "the artifact exists")
	}
	artifact := &b2bv1.Artifact{
		Id: h.org.newID("artifact"), ThreadId: t.about.GetId(), ArtifactKey: req.GetArtifactKey(),
		Type:  cmp.Or(req.GetType(), b2bv1.ArtifactType_ARTIFACT_TYPE_TEXT),
		Title: req.Title, Content: req.Content, Language: req.Language, Url: req.Url, MimeType: req.MimeType,
		ContributorId: proto.String(caller(ctx).GetId()), Version: 1, CreatedAt: h.org.timestamp(), UpdatedAt: h.org.timestamp(),
	}
	t.artifacts = append(t.artifacts, versions{artifact})
	return &b2bv1.AddArtifactResponse{Artifact: artifact}, h.org.changed(t, artifact, b2bv1.ArtifactAction_ARTIFACT_ACTION_ADDED)
}

func (h handlers) UpdateArtifact(ctx context.Context, req *b2bv1.UpdateArtifactRequest) (*b2bv1.UpdateArtifactResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	i := t.artifact(req.GetArtifactKey())
	if i < 0 {
		return nil, missing("artifact")
	}
	artifact := proto.CloneOf(t.artifacts[i].latest())
	artifact.Id, artifact.Version = h.org.newID("artifact"), artifact.GetVersion()+1
	artifact.Content, artifact.ContributorId = req.Content, proto.String(caller(ctx).GetId())
	if req.Title != nil {
		artifact.Title = req.Title
	}
	artifact.CreatedAt, artifact.UpdatedAt = h.org.timestamp(), h.org.timestamp()
	t.artifacts[i] = append(t.artifacts[i], artifact)
	return &b2bv1.UpdateArtifactResponse{Artifact: artifact}, h.org.changed(t, artifact, b2bv1.ArtifactAction_ARTIFACT_ACTION_UPDATED)
}

func (o *org) changed(t *thread, artifact *b2bv1.Artifact, action b2bv1.ArtifactAction) error {
	t.change(func(about *b2bv1.Thread) { about.LastActivityAt = artifact.GetCreatedAt() })
	t.turns = 0
	return o.tell(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{
		ThreadArtifact: &b2bv1.ThreadArtifactEvent{ThreadId: t.about.GetId(), Artifact: artifact, Action: action},
	}})
}

func (h handlers) ListArtifacts(ctx context.Context, req *b2bv1.ListArtifactsRequest) (*b2bv1.ListArtifactsResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	res := &b2bv1.ListArtifactsResponse{}
	for _, v := range t.artifacts {
		res.Artifacts = append(res.Artifacts, v.latest())
	}
	return res, nil
}

func (h handlers) ListArtifactVersions(ctx context.Context, req *b2bv1.ListArtifactVersionsRequest) (*b2bv1.ListArtifactVersionsResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	i := t.artifact(req.GetArtifactKey())
	if i < 0 {
		return nil, missing("artifact")
	}
	return &b2bv1.ListArtifactVersionsResponse{Artifacts: slices.Clone(t.artifacts[i])}, nil
}

// compareIDs orders messages as they were sent: ids of one kind have the same length.
func compareIDs(a, b message) int { return strings.Compare(a.GetId(), b.GetId()) }
