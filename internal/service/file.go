package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// fileService serves files. Their rows are in the store, their bytes in package files.
type fileService struct {
	*core
	reads fileReads
	gate  *gate
}

// fileReads is what fileService reads of the store.
type fileReads interface {
	uploadReader
	File(ctx context.Context, org, id string) (*store.File, error)
}

// fileTx is what its changes need.
type fileTx interface {
	eventTx
	auditTx
	uploadReader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	CreateFile(ctx context.Context, f *store.File) error
}

// uploadReader is what an upload reads before its change and in it.
type uploadReader interface {
	settingsReader
	UploadedOn(ctx context.Context, org, uploader string, at int64) (all, own int64, err error)
}

const (
	uploadsAtOnce      = 64 // on this node; one org may have half of them. See upload for their memory.
	uploadsAtOnceOfBot = 16
	uploadsWaiting     = 256              // for a place, of one bot and of one org
	uploadWait         = 10 * time.Second // for a place
)

// UploadFile stores the bytes as they arrive, and the row at the end. An upload that is refused
// late leaves bytes without a row. They are deleted here or, after a crash, by the sweep of
// unreferenced files.
func (s *fileService) UploadFile(ctx context.Context, next func() (*b2bv1.UploadFileRequest, error)) (*b2bv1.UploadFileResponse, error) {
	caller := call.CallerOf(ctx)
	leave, err := s.gate.enter(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer leave()
	in := newUpload(next, int64(s.Config.MaxFileSizeMB)<<20)
	if err := in.begin(); err != nil {
		return nil, err
	}
	if err := s.checkQuota(ctx, s.reads, int64(len(in.head))); err != nil {
		return nil, err
	}
	key := files.Key{Org: caller.OrgID, File: newID()}
	if err := s.storeBytes(ctx, key, in); err != nil {
		return nil, err
	}
	var out *b2bv1.UploadFileResponse
	err = call.From(ctx).Conclude(ctx, func() (err error) {
		out, err = change(ctx, s.core, caller.OrgID, in.request(), func(tx fileTx) (*b2bv1.UploadFileResponse, error) {
			return s.record(ctx, tx, key, in)
		})
		return err
	})
	if _, refused := call.AsError(err); refused && err != nil || databaseFull(err) || err == nil && out.GetFile().GetId() != key.File {
		// The upload was refused, or is a repetition. After any other error the row may exist.
		if err := s.Files.Delete(context.WithoutCancel(ctx), key); err != nil {
			s.Log.WarnContext(ctx, "the bytes of a refused upload were not deleted, the sweep of unreferenced files will do it", "file", key.File, "error", err)
		}
	}
	return out, err
}

// databaseFull reports whether a change failed because the database has no room. A client that
// repeats its upload must not fill the remaining room with bytes.
func databaseFull(err error) bool {
	var outage *store.Outage
	return errors.As(err, &outage) && outage.Full
}

// storeBytes stores the bytes of an upload.
func (s *fileService) storeBytes(ctx context.Context, key files.Key, in *upload) error {
	_, err := s.Files.Put(ctx, key, in)
	switch {
	case in.err != nil:
		return in.err // of the client's stream
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case isOutage(err):
		return err
	case err != nil:
		s.Log.ErrorContext(ctx, "upload not stored", "error", err)
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_STORAGE_ERROR, "The file could not be stored").
			WithHint("Nothing was stored. Try again later.")
	}
	return nil
}

// record stores the row. It checks the quota in the same transaction, so that concurrent uploads
// cannot exceed it together, on any node.
func (s *fileService) record(ctx context.Context, tx fileTx, key files.Key, in *upload) (*b2bv1.UploadFileResponse, error) {
	caller := call.CallerOf(ctx)
	if _, err := tx.Bot(ctx, caller.OrgID, caller.BotID); errors.Is(err, store.ErrNotFound) {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "The bot was deleted")
	} else if err != nil {
		return nil, fmt.Errorf("find the uploader: %w", err)
	}
	if err := s.checkQuota(ctx, tx, in.n); err != nil {
		return nil, err
	}
	f := &store.File{
		ID: key.File, OrgID: key.Org, UploaderID: &caller.BotID, Name: in.name, MIMEType: in.kind, Size: in.n, CreatedAt: s.nowMS(),
	}
	if err := tx.CreateFile(ctx, f); err != nil {
		return nil, fmt.Errorf("record a file: %w", err)
	}
	if err := s.fileAdded(ctx, tx, f.ID); err != nil {
		return nil, err
	}
	err := s.audit(ctx, tx, f.OrgID, f.UploaderID, "file.upload", "file", f.ID,
		detail{"name": f.Name, "mime_type": f.MIMEType, "size": f.Size})
	if err != nil {
		return nil, err
	}
	return &b2bv1.UploadFileResponse{File: fileOut(f)}, nil
}

// checkQuota returns an error if size more bytes would exceed the upload quota of the org or of the
// calling bot for this day (UTC).
func (s *fileService) checkQuota(ctx context.Context, r uploadReader, size int64) error {
	caller, now := call.CallerOf(ctx), s.Now().UTC()
	today := now.Truncate(24 * time.Hour)
	settings, err := r.OrgSettings(ctx, caller.OrgID)
	if err != nil {
		return fmt.Errorf("read the settings of an org: %w", err)
	}
	all, own, err := r.UploadedOn(ctx, caller.OrgID, caller.BotID, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("add up the uploads of today: %w", err)
	}
	for _, q := range []struct {
		owner       string
		used, limit int64
	}{{"org", all, int64(s.Config.FileUploadMBPerDay)}, {"bot", own, settings.FileUploadMBPerDayPerBot}} {
		limit := q.limit << 20
		if q.used+size <= limit {
			continue
		}
		refusal := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "More than %d MiB of uploads of one %s on one day (UTC)", q.limit, q.owner)
		if size <= limit {
			refusal.RetryAfter = int(today.Add(24*time.Hour).Sub(now)/time.Second) + 1
		}
		return refusal
	}
	return nil
}

// GetFile passes the bytes to a binding that serves files, or else sends them as messages.
func (s *fileService) GetFile(ctx context.Context, req *b2bv1.GetFileRequest, send func(*b2bv1.GetFileResponse) error) (err error) {
	f, bytes, err := s.open(ctx, req.GetId())
	if err != nil {
		return err
	}
	defer func() {
		if closed := bytes.Close(); closed != nil {
			s.Log.WarnContext(ctx, "file not closed", "file", f.ID, "error", closed)
		}
	}()
	kind := files.ServedKind(f.MIMEType)
	if serve := call.From(ctx).Serve; serve != nil {
		return serve(&call.Content{
			ReadSeeker: bytes, Name: f.Name, Type: kind, Inline: files.Shown(kind),
			ETag: `"` + f.ID + `"`, Modified: time.UnixMilli(f.CreatedAt),
		})
	}
	if err := send(&b2bv1.GetFileResponse{File: fileOut(f)}); err != nil {
		return err
	}
	buf := make([]byte, pieceSize)
	for {
		n, err := bytes.Read(buf)
		if n > 0 {
			if err := send(&b2bv1.GetFileResponse{Data: buf[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.unreadable(ctx, f, err)
		}
	}
}

// pieceSize is the number of bytes of a file in one message of a stream.
const pieceSize = 64 << 10

// open finds a file of the caller's org and opens its bytes. A file with missing bytes is not
// found.
func (s *fileService) open(ctx context.Context, id string) (*store.File, files.Object, error) {
	f, err := s.reads.File(ctx, call.CallerOf(ctx).OrgID, id)
	if err != nil {
		return nil, nil, notFound(err, "File")
	}
	bytes, err := s.Files.Open(ctx, files.Key{Org: f.OrgID, File: f.ID})
	if err == nil && bytes.Size() != f.Size {
		err = errors.Join(fmt.Errorf("%w: %d bytes of %d", files.ErrNotFound, bytes.Size(), f.Size), bytes.Close())
	}
	if errors.Is(err, files.ErrNotFound) {
		s.Log.ErrorContext(ctx, "the bytes of a file are missing or incomplete", "org", f.OrgID, "file", f.ID, "store", s.Files.String(), "error", err)
		return nil, nil, call.NotFound("File")
	}
	if err != nil {
		return nil, nil, s.unreadable(ctx, f, err)
	}
	return f, bytes, nil
}

// isOutage reports whether the storage of the bytes is unreachable or full, which the caller's
// error says.
func isOutage(err error) bool {
	var outage *files.Outage
	return errors.As(err, &outage)
}

func (s *fileService) unreadable(ctx context.Context, f *store.File, err error) error {
	if isOutage(err) {
		return fmt.Errorf("read file %s of org %s: %w", f.ID, f.OrgID, err)
	}
	s.Log.ErrorContext(ctx, "file not read", "org", f.OrgID, "file", f.ID, "error", err)
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_READ_ERROR, "The file could not be read")
}

// GetFileInfo returns the row of a file, also when its bytes are missing.
func (s *fileService) GetFileInfo(ctx context.Context, req *b2bv1.GetFileInfoRequest) (*b2bv1.GetFileInfoResponse, error) {
	f, err := s.reads.File(ctx, call.CallerOf(ctx).OrgID, req.GetId())
	if err != nil {
		return nil, notFound(err, "File")
	}
	return &b2bv1.GetFileInfoResponse{File: fileOut(f)}, nil
}

func fileOut(f *store.File) *b2bv1.File {
	return &b2bv1.File{
		Id: f.ID, Name: f.Name, MimeType: f.MIMEType, Size: f.Size, UploaderId: f.UploaderID,
		Url: "/api/files/" + f.ID, CreatedAt: stamp(f.CreatedAt),
	}
}
