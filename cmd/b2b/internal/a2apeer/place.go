package a2apeer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// requestIDs is the namespace of the ids of requests, which make each change once, however often a task
// is followed.
var requestIDs = uuid.MustParse("7c0c5d0e-2f0b-5a43-8a57-5c8d6e0c9b11")

func requestID(texts ...string) *string {
	return proto.String(uuid.NewSHA1(requestIDs, []byte(strings.Join(texts, "\x00"))).String())
}

// place is the thread or channel in which a task is worked on.
type place struct {
	client *b2b.Client
	bot    string // the id of the bot
	thread string // empty: it is a channel
}

// errThreadEnded is the cause of the end of work in a thread that people have ended.
var errThreadEnded = errors.New("the thread is resolved or closed, or the agent is no longer in it")

// open returns errThreadEnded if nothing can be done in the thread any more.
func (p *place) open(ctx context.Context) error {
	if p.thread == "" {
		return nil
	}
	res, err := p.client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: p.thread})
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED:
		return errThreadEnded
	}
	if err != nil {
		return fmt.Errorf("read the status of the thread: %w", err)
	}
	switch res.GetThread().GetStatus() {
	case b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED, b2bv1.ThreadStatus_THREAD_STATUS_CLOSED:
		return errThreadEnded
	}
	return nil
}

// set changes the status of the thread, if that is possible. It reports whether it was. subject makes
// it one change.
func (p *place) set(ctx context.Context, status b2bv1.ThreadStatus, subject string) (bool, error) {
	if p.thread == "" {
		return false, nil
	}
	_, err := p.client.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{
		ThreadId: p.thread, Status: &status, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"status"}},
		RequestId: requestID("status", subject, status.String()),
	})
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED:
		return false, nil // people have set another one
	}
	if err != nil {
		return false, fmt.Errorf("set the status of the thread: %w", err)
	}
	return true, nil
}

// upload stores a file.
func (p *place) upload(ctx context.Context, name, media string, data []byte) (*b2bv1.File, error) {
	file, err := p.client.UploadFile(ctx, &b2bv1.UploadFileRequest{
		Name: &name, MimeType: &media, RequestId: requestID("file", p.bot, name, media, string(data)),
	}, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("store a file of the agent: %w", err)
	}
	return file, nil
}

// put writes an artifact into the thread: a new one, or a new version of one that the bot began. It
// returns the key that it has. of tells artifacts of different tasks apart, and turn the versions of one.
func (p *place) put(ctx context.Context, o output, of, turn string) (key string, err error) {
	hash := o.hash()
	if o.file != nil {
		file, err := p.upload(ctx, o.name, o.media, o.file)
		if err != nil {
			return "", err
		}
		o.link = file.GetUrl()
	}
	version := o
	for _, key := range []string{o.key, o.key + "-" + (*requestID(of))[:8], o.key + "-" + hash[:16]} {
		version.key = key
		done, err := p.write(ctx, version, hash, turn)
		if done || err != nil {
			return key, err
		}
	}
	return "", fmt.Errorf("all keys like %s are taken", o.key)
}

// write adds an artifact, or a version if the bot began it. It reports whether it could: the key may be
// another's, or of something that has no new version like this.
func (p *place) write(ctx context.Context, o output, hash, turn string) (bool, error) {
	_, err := p.client.Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{
		ThreadId: p.thread, ArtifactKey: &o.key, Type: &o.kind, Title: given(o.title), Content: given(o.text), Language: given(o.language),
		Url: given(o.link), MimeType: given(o.media), RequestId: requestID("add", p.thread, o.key, hash, turn),
	})
	if err == nil || b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED {
		return true, nil
	}
	if b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_CONFLICT {
		return false, fmt.Errorf("write an artifact: %w", err)
	}
	if o.fixed() {
		return false, nil
	}
	limit := int32(1)
	res, err := p.client.Artifacts.ListArtifactVersions(ctx, &b2bv1.ListArtifactVersionsRequest{ThreadId: p.thread, ArtifactKey: o.key, Limit: &limit})
	if err != nil {
		return false, fmt.Errorf("look up an artifact: %w", err)
	}
	for _, began := range res.GetArtifacts() {
		if began.GetContributorId() != p.bot || began.GetType() != o.kind && !began.GetFormatWarning() {
			return false, nil
		}
	}
	_, err = p.client.Artifacts.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{
		ThreadId: p.thread, ArtifactKey: o.key, Content: &o.text, RequestId: requestID("update", p.thread, o.key, hash, turn),
	})
	if err != nil && b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED {
		return false, fmt.Errorf("write a version of an artifact: %w", err)
	}
	return true, nil
}

// unstorable reports whether a file or artifact cannot be stored, so that this is said instead.
func unstorable(err error) bool {
	code := b2b.CodeOf(err)
	return err != nil && (runner.RefusedForGood(code) || code == b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED)
}

// given returns a text; nil if it is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
