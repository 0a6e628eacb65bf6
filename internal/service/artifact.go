package service

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/jsonrepair"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// artifactService serves the artifacts of threads: versioned documents (B2B-ART-001 to 023).
type artifactService struct {
	*core
	reads artifactReads
}

// artifactReads is what artifactService reads of the store.
type artifactReads interface {
	entryReader
	Artifacts(ctx context.Context, thread string, after *store.PageKey, limit int) ([]store.Artifact, error)
	ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]store.Artifact, error)
	ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]store.Artifact, error)
}

// artifactTx is what its changes need.
type artifactTx interface {
	eventTx
	auditTx
	entryReader
	settingsReader
	LatestArtifact(ctx context.Context, thread, key string) (*store.Artifact, error)
	FirstArtifact(ctx context.Context, thread, key string) (*store.Artifact, error)
	ArtifactUse(ctx context.Context, org, thread string, at int64) (store.ArtifactUse, error)
	InsertArtifact(ctx context.Context, a *store.Artifact) error
	resetTx
}

// AddArtifact adds version 1 of an artifact.
func (s *artifactService) AddArtifact(ctx context.Context, req *b2bv1.AddArtifactRequest) (*b2bv1.AddArtifactResponse, error) {
	return guarded(ctx, s.core, req, func(tx artifactTx) (*b2bv1.AddArtifactResponse, error) {
		t, err := s.enterToWrite(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		if err := limits.NewArtifactKey(req.GetArtifactKey()); err != nil {
			return nil, ruleError(err)
		}
		kind, err := artifactType(req.Type)
		if err != nil {
			return nil, err
		}
		_, err = tx.LatestArtifact(ctx, t.ID, req.GetArtifactKey())
		switch {
		case err == nil:
			return nil, errArtifactExists()
		case !errors.Is(err, store.ErrNotFound):
			return nil, fmt.Errorf("look up an artifact: %w", err)
		}
		a := &store.Artifact{
			ThreadID: t.ID, Key: req.GetArtifactKey(), Version: 1,
			Title: req.Title, Language: req.Language, URL: req.Url, MimeType: req.MimeType,
		}
		out, err := s.write(ctx, tx, a, jsonrepair.Store(kind, req.Content))
		return &b2bv1.AddArtifactResponse{Artifact: out}, err
	})
}

// UpdateArtifact adds a version with new content, and with a new title if the request names one
// (B2B-ART-007, B2B-ART-008). If version 1 was sent as JSON, a version whose content is JSON gets
// the type JSON again (B2B-ART-023).
func (s *artifactService) UpdateArtifact(ctx context.Context, req *b2bv1.UpdateArtifactRequest) (*b2bv1.UpdateArtifactResponse, error) {
	named := namedFields(req, req.UpdateMask)
	return guarded(ctx, s.core, req, func(tx artifactTx) (*b2bv1.UpdateArtifactResponse, error) {
		t, err := s.enterToWrite(ctx, tx, req.GetThreadId())
		if err != nil {
			return nil, err
		}
		if err := limits.ArtifactKey(req.GetArtifactKey()); err != nil {
			return nil, ruleError(err)
		}
		if req.Content == nil {
			return nil, call.Invalid("content is required")
		}
		latest, err := tx.LatestArtifact(ctx, t.ID, req.GetArtifactKey())
		if err != nil {
			return nil, notFound(err, "artifact")
		}
		oldest, err := tx.FirstArtifact(ctx, t.ID, req.GetArtifactKey())
		if err != nil {
			return nil, notFound(err, "artifact")
		}
		a := &store.Artifact{
			ThreadID: t.ID, Key: latest.Key, Version: latest.Version + 1,
			Title: latest.Title, Language: latest.Language, URL: latest.URL, MimeType: latest.MimeType,
		}
		if named("title") {
			a.Title = req.Title
		}
		var first *jsonrepair.Version
		if oldest.Version == 1 {
			first = storedVersion(oldest)
		}
		kind := jsonrepair.EffectiveType(first, *storedVersion(latest))
		out, err := s.write(ctx, tx, a, jsonrepair.Store(kind, req.Content))
		return &b2bv1.UpdateArtifactResponse{Artifact: out}, err
	})
}

// enterToWrite is enter for operations that need the permission to write.
func (s *artifactService) enterToWrite(ctx context.Context, tx artifactTx, id string) (*store.Thread, error) {
	t, p, err := s.enter(ctx, tx, id, true)
	if err != nil {
		return nil, err
	}
	ok, err := s.permitted(ctx, tx, t, p, thread.ActionWrite)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errWriteDenied(t)
	}
	return t, nil
}

// artifactType returns the stored text of a type; an absent one is text.
func artifactType(sent *b2bv1.ArtifactType) (string, error) {
	if sent == nil {
		return "text", nil
	}
	kind := textOf(*sent, "ARTIFACT_TYPE_")
	if *sent == b2bv1.ArtifactType_ARTIFACT_TYPE_UNSPECIFIED || b2bv1.ArtifactType_name[int32(*sent)] == "" {
		return "", call.Invalid("type: must be text, markdown, json, code, file or link")
	}
	return kind, nil
}

func storedVersion(a *store.Artifact) *jsonrepair.Version {
	return &jsonrepair.Version{Type: a.Type, Content: a.Content, FormatWarning: a.FormatWarning}
}

func errArtifactExists() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CONFLICT, "artifact_key: this thread already has an artifact with this key").
		WithHint("Add a version to it with PATCH.")
}

// write stores a version by the caller, updates the thread's last activity, writes the audit
// entry, and emits the event.
func (s *artifactService) write(ctx context.Context, tx artifactTx, a *store.Artifact, v jsonrepair.Version) (*b2bv1.Artifact, error) {
	caller := call.CallerOf(ctx)
	now := s.nowMS()
	a.ID, a.ContributorID, a.CreatedAt, a.UpdatedAt = newID(), &caller.BotID, now, now
	a.Type, a.Content, a.FormatWarning = v.Type, v.Content, v.FormatWarning
	if err := s.checkArtifactQuota(ctx, tx, a); err != nil {
		return nil, err
	}
	if err := tx.InsertArtifact(ctx, a); err != nil {
		return nil, fmt.Errorf("store an artifact: %w", err)
	}
	if err := tx.ResetTurns(ctx, a.ThreadID, now); err != nil {
		return nil, fmt.Errorf("update the last activity of a thread: %w", err)
	}
	action, audited := b2bv1.ArtifactAction_ARTIFACT_ACTION_UPDATED, "artifact.update"
	if a.Version == 1 {
		action, audited = b2bv1.ArtifactAction_ARTIFACT_ACTION_ADDED, "artifact.add"
	}
	details := detail{"thread_id": a.ThreadID, "artifact_key": a.Key, "version": a.Version}.via(ctx)
	if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), audited, "artifact", a.ID, details); err != nil {
		return nil, err
	}
	out := artifactOut(a)
	out.Traceparent, out.Tracestate = cause(ctx)
	return out, s.emit(ctx, tx, toThread(a.ThreadID), &b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{
		ThreadArtifact: &b2bv1.ThreadArtifactEvent{ThreadId: a.ThreadID, Artifact: out, Action: action},
	}})
}

// ListArtifacts returns the latest version of each key.
func (s *artifactService) ListArtifacts(ctx context.Context, req *b2bv1.ListArtifactsRequest) (*b2bv1.ListArtifactsResponse, error) {
	t, _, err := s.enter(ctx, s.reads, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	entries, next, _, err := s.artifacts(ctx, t.ID, req.GetCursor(), req.Limit, wholePage)
	if err != nil {
		return nil, err
	}
	return &b2bv1.ListArtifactsResponse{Artifacts: entries, NextCursor: next}, nil
}

// artifacts lists the latest version of each key. The list is ordered by time of creation, or by
// key when the request has a limit or the token of such a page. next is the token of the next page:
// a time and a key, or a key alone.
func (s *artifactService) artifacts(ctx context.Context, thread, from string, limit *int32, size func(*int32) int) (entries []*b2bv1.Artifact, next *string, byKey bool, err error) {
	var rows []store.Artifact
	n := wholePage(limit)
	p, plain := pagetoken.ParsePlain(from)
	switch {
	case plain && p.ID != "": // keys contain no pipe
		rows, err = s.reads.Artifacts(ctx, thread, &store.PageKey{At: p.At, ID: p.ID}, n+1)
	case from == "" && limit == nil:
		rows, err = s.reads.Artifacts(ctx, thread, nil, n+1)
	default:
		n, byKey = size(limit), true
		rows, err = s.reads.ArtifactsPage(ctx, thread, from, n+1)
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("list artifacts: %w", err)
	}
	rows, more := page(rows, n)
	rows, entries, more = cutToSize(s.core, rows, artifactsOut(rows), more)
	if more {
		last := &rows[len(rows)-1]
		if next = formatPageToken(last.CreatedAt, last.Key); byKey {
			next = &last.Key
		}
	}
	return entries, next, byKey, nil
}

// ListArtifactVersions returns all versions of a key, oldest first.
func (s *artifactService) ListArtifactVersions(ctx context.Context, req *b2bv1.ListArtifactVersionsRequest) (*b2bv1.ListArtifactVersionsResponse, error) {
	t, _, err := s.enter(ctx, s.reads, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	if err := limits.ArtifactKey(req.GetArtifactKey()); err != nil {
		return nil, ruleError(err)
	}
	var after int64
	if text := req.GetCursor(); text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, call.Invalid("cursor must be the version of an entry, as in 7")
		}
	}
	size := wholePage(req.Limit)
	rows, err := s.reads.ArtifactVersions(ctx, t.ID, req.GetArtifactKey(), after, size+1)
	if err != nil {
		return nil, fmt.Errorf("list the versions of an artifact: %w", err)
	}
	rows, more := page(rows, size)
	rows, entries, more := cutToSize(s.core, rows, artifactsOut(rows), more)
	res := &b2bv1.ListArtifactVersionsResponse{Artifacts: entries}
	if more {
		next := strconv.FormatInt(rows[len(rows)-1].Version, 10)
		res.NextCursor = &next
	}
	return res, nil
}

// ListOrgThreadArtifacts returns the latest version of each key to the org's admins: a page
// ordered by key, or all (B2B-ORGTHR-009).
func (s *artifactService) ListOrgThreadArtifacts(ctx context.Context, req *b2bv1.ListOrgThreadArtifactsRequest) (*b2bv1.ListOrgThreadArtifactsResponse, error) {
	t, err := s.find(ctx, s.reads, req.GetThreadId())
	if err != nil {
		return nil, err
	}
	entries, next, byKey, err := s.artifacts(ctx, t.ID, req.GetCursor(), req.Limit, pageSize)
	if err != nil {
		return nil, err
	}
	return &b2bv1.ListOrgThreadArtifactsResponse{Items: entries, HasMore: next != nil, NextCursor: next, Paged: byKey}, nil
}

func artifactOut(a *store.Artifact) *b2bv1.Artifact {
	return &b2bv1.Artifact{
		Id: a.ID, ThreadId: a.ThreadID, ArtifactKey: a.Key,
		Type:  enumOf[b2bv1.ArtifactType](b2bv1.ArtifactType_value, "ARTIFACT_TYPE_", a.Type),
		Title: a.Title, Content: a.Content, Language: a.Language, Url: a.URL, MimeType: a.MimeType,
		ContributorId: a.ContributorID, Version: int32(a.Version), FormatWarning: a.FormatWarning,
		CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt),
	}
}

func artifactsOut(rows []store.Artifact) []*b2bv1.Artifact {
	out := make([]*b2bv1.Artifact, len(rows))
	for i := range rows {
		out[i] = artifactOut(&rows[i])
	}
	return out
}
