package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// upload reads the file from the messages of a stream. It holds one message in memory, and the
// first bytes of the file until these are read.
type upload struct {
	next func() (*b2bv1.UploadFileRequest, error)
	most int64 // bytes

	name      string
	declared  string
	kind      string // set by begin
	requestID *string
	head      []byte // the first bytes, which Read returns first
	rest      []byte // the unread bytes of the current message
	n         int64
	sum       hash.Hash
	ended     bool
	err       error // of the stream or a check
}

func newUpload(next func() (*b2bv1.UploadFileRequest, error), most int64) *upload {
	return &upload{next: next, most: most, sum: sha256.New()}
}

// begin receives what decides whether the file is accepted: its name, its declared type and its
// first bytes.
func (u *upload) begin() error {
	for !u.ended && len(u.head) < files.HeadSize {
		if err := u.receive(); err != nil {
			return err
		}
		u.head = append(u.head, u.rest...)
		u.rest = nil
	}
	if u.name == "" {
		return call.Invalid("file: is required")
	}
	kind, taken := files.Kind(u.declared, u.head)
	if !taken {
		return errNotAccepted()
	}
	u.kind = kind
	return nil
}

func errNotAccepted() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, "Files of this type are not accepted").
		WithHint("Accepted are images (JPEG, PNG, GIF, WebP), PDF, plain text, CSV and JSON.")
}

// receive reads the next message.
func (u *upload) receive() error {
	m, err := u.next()
	if errors.Is(err, io.EOF) {
		u.ended = true
		return nil
	}
	if err == nil {
		err = u.take(m)
	}
	u.err = err
	return err
}

func (u *upload) take(m *b2bv1.UploadFileRequest) (err error) {
	if m.RequestId != nil {
		if len(m.GetRequestId()) > limits.MaxRequestID {
			return call.Invalid("request_id: must be 1 to %d bytes", limits.MaxRequestID)
		}
		u.requestID = m.RequestId
	}
	if m.Name != nil || m.MimeType != nil {
		if u.name != "" {
			return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR, "An upload must contain one file only")
		}
		taken := false
		if u.declared, taken = files.DeclaredKind(m.GetMimeType()); !taken {
			return errNotAccepted()
		}
		if u.name, err = limits.FileName(m.GetName()); err != nil {
			return ruleError(err)
		}
	}
	if len(m.GetData()) > 0 && u.name == "" {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR, "The name of the file must come before its bytes")
	}
	u.rest = m.GetData()
	if u.n += int64(len(u.rest)); u.n > u.most {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FILE_TOO_LARGE, "The file is larger than %d bytes", u.most)
	}
	u.sum.Write(u.rest)
	return nil
}

// Read reads the bytes of the file after begin.
func (u *upload) Read(p []byte) (int, error) {
	from := &u.head
	if len(u.head) == 0 {
		from = &u.rest
	}
	for len(*from) == 0 {
		if u.ended {
			return 0, io.EOF
		}
		if err := u.receive(); err != nil {
			return 0, err
		}
		from = &u.rest
	}
	n := copy(p, *from)
	*from = (*from)[n:]
	return n, nil
}

// request returns the upload as one request, with the hash of its bytes in place of the bytes, to
// recognise a repeated upload (B2B-IDEM).
func (u *upload) request() *b2bv1.UploadFileRequest {
	return &b2bv1.UploadFileRequest{Name: &u.name, MimeType: &u.declared, Data: u.sum.Sum(nil), RequestId: u.requestID}
}

// gate limits the number of concurrent uploads, in all and for each org and bot, so that no org or
// bot can take all places (B2B-LIM-020).
type gate struct {
	bots *fair.Pool
	orgs *fair.Pool
}

func newGate() *gate {
	return &gate{
		bots: fair.New(fair.Sizes{Share: uploadsAtOnceOfBot, Queue: uploadsWaiting}),
		orgs: fair.New(fair.Sizes{Slots: uploadsAtOnce, Queue: uploadsWaiting}),
	}
}

// enter waits for a place. The caller calls leave to free it.
func (g *gate) enter(ctx context.Context, c *call.Caller) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, uploadWait, fair.ErrBusy)
	defer cancel()
	own, err := g.bots.Enter(ctx, c.BotID)
	if err != nil {
		return nil, tooManyUploads(err)
	}
	place, err := g.orgs.Enter(ctx, c.OrgID)
	if err != nil {
		own.Leave()
		return nil, tooManyUploads(err)
	}
	return func() {
		place.Leave()
		own.Leave()
	}, nil
}

func tooManyUploads(err error) error {
	if !errors.Is(err, fair.ErrBusy) {
		return err
	}
	busy := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "Too many uploads of this org at once")
	busy.RetryAfter = int(uploadWait / time.Second)
	return busy
}
