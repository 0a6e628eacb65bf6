// Package s3files keeps the bytes of files in a bucket of a store that speaks the S3
// protocol: Amazon's, MinIO, Ceph, R2 and others.
//
// An upload waits in a local file until it is whole and goes up as one PUT, which such
// stores take as a whole or not at all, with its length and hash: so no half file is
// ever there to be served, a client that sends slowly or breaks off costs the store
// nothing, an attempt can be repeated, and an upload holds no more than a copy buffer
// in memory however large it is. Files in parts (multipart uploads) would save the local file,
// but hold parts in memory and leave some behind in a crash; they are not used, so
// there is nothing to tidy up. The local file has no name from the moment it is made,
// so it goes with the process, however that ends.
//
// The client is minio-go: what S3 needs and little else. A program with it is 8.6 MB;
// with gocloud.dev/blob, which brings the SDK of Amazon, 31 MB and three times the
// modules, for stores that nobody has asked for.
package s3files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/b2b-protocol/b2b/server/files"
)

const (
	// MaxSize is the largest file in bytes: what one PUT can carry.
	MaxSize = 5 << 30

	attempts = 3                      // of a request
	pause    = 200 * time.Millisecond // after the first, then twice as long
	stall    = 30 * time.Second       // without an answer, or a byte of one
	slowest  = 256 << 10              // bytes a second that the store must take and give
)

// Store is a files.Store in a bucket.
type Store struct {
	place
	client    minio.Core
	transport *http.Transport
	spool     string
	stall     time.Duration
}

// Open makes the spool and a store; whether the bucket can be reached shows at the
// first request.
func Open(c Config) (*Store, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	if err := files.PrivateFolder(c.Spool); err != nil {
		return nil, fmt.Errorf("the folder for uploads under way: %w", err)
	}
	transport, err := minio.DefaultTransport(p.secure)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	s := &Store{place: p, transport: transport, spool: c.Spool, stall: stall}
	transport.ResponseHeaderTimeout = stall
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &timed{Conn: conn, stall: s.stall}, nil
	}
	client, err := minio.New(p.endpoint, &minio.Options{
		Creds: c.credentials(), Secure: p.secure, Region: p.region, BucketLookup: p.lookup, Transport: transport, MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	s.client = minio.Core{Client: client}
	return s, nil
}

// Close closes the idle connections.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// String says where the bytes are.
func (s *Store) String() string {
	return fmt.Sprintf("the bucket s3://%s/%s at %s", s.bucket, s.prefix, s.endpoint)
}

// failed says what could not be done, and what an operator can do about it.
func (s *Store) failed(what string, err error) error {
	hint := ""
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchBucket:
		hint = " (create the bucket first)"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", minio.AccessDenied:
		hint = " (look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do)"
	}
	failure := fmt.Errorf("files: %s in %s: %w%s", what, s, err, hint)
	if full(err) {
		return &files.Outage{Full: true, Err: failure}
	}
	if passing(err) && !errors.Is(err, context.Canceled) {
		return &files.Outage{Err: failure}
	}
	return failure
}

func gone(err error) bool { return minio.ToErrorResponse(err).Code == minio.NoSuchKey }

// Put spools what r gives, then sends it.
func (s *Store) Put(ctx context.Context, key files.Key, r io.Reader) (int64, error) {
	if err := key.Check(); err != nil {
		return 0, err
	}
	return s.put(ctx, key.Path(), r)
}

func (s *Store) put(ctx context.Context, path string, r io.Reader) (n int64, err error) {
	f, err := os.CreateTemp(s.spool, "upload-")
	if err != nil {
		return 0, files.Local(fmt.Errorf("files: begin an upload: %w", err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := os.Remove(f.Name()); err != nil { // its bytes stay until it is closed
		return 0, fmt.Errorf("files: begin an upload: %w", err)
	}
	sum := sha256.New()
	if n, err = files.Copy(ctx, io.MultiWriter(f, sum), io.LimitReader(r, MaxSize+1)); err != nil {
		return 0, files.Local(fmt.Errorf("files: receive an upload: %w", err))
	}
	if n > MaxSize {
		return 0, fmt.Errorf("files: an upload has more than the %d bytes that fit in %s", int64(MaxSize), s)
	}
	ctx, cancel := context.WithTimeout(ctx, s.stall+time.Duration(n/slowest)*time.Second)
	defer cancel()
	err = s.send(ctx, path, f, n, hex.EncodeToString(sum.Sum(nil)))
	if err != nil {
		return 0, s.failed("store "+path, err)
	}
	return n, nil
}

// send sends a file, again if it could help. The attempts are made here, each with a
// reader of its own: the connection of the one before may still be reading.
func (s *Store) send(ctx context.Context, path string, f *os.File, size int64, hash string) (err error) {
	for n := range attempts {
		// Not in chunks, and not to be wound back, for the reader has no more than Read.
		_, err = s.client.PutObject(ctx, s.bucket, s.prefix+path, struct{ io.Reader }{io.NewSectionReader(f, 0, size)}, size, "", hash,
			minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true})
		if err == nil || full(err) || !passing(err) || n == attempts-1 {
			return err
		}
		select {
		case <-time.After(pause << n):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
	return err
}

// full reports whether the bucket has no room: of its store, or of its quota.
func full(err error) bool {
	answer := minio.ToErrorResponse(err)
	switch answer.Code {
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return true
	}
	return answer.StatusCode == http.StatusInsufficientStorage
}

// passing tells whether an error may be another one, or none, the next time.
func passing(err error) bool {
	answer := minio.ToErrorResponse(err)
	return answer.StatusCode == 0 || answer.StatusCode >= http.StatusInternalServerError ||
		answer.StatusCode == http.StatusTooManyRequests || answer.Code == "RequestTimeout"
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key files.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.stall)
	defer cancel()
	if err := s.client.RemoveObject(ctx, s.bucket, s.prefix+key.Path(), minio.RemoveObjectOptions{}); err != nil && !gone(err) {
		return s.failed("delete "+key.Path(), err)
	}
	return nil
}

// DeleteOrg removes the objects of an organisation, a thousand a request.
func (s *Store) DeleteOrg(ctx context.Context, org string) error {
	if !files.IsName(org) {
		return nil // nothing can be there
	}
	var listed error
	results, err := s.client.RemoveObjectsWithIter(ctx, s.bucket, func(yield func(minio.ObjectInfo) bool) {
		for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + org + "/", Recursive: true}) {
			if listed = o.Err; listed != nil || !yield(minio.ObjectInfo{Key: o.Key}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return s.failed("delete an organisation", err)
	}
	for r := range results {
		if r.Err != nil && err == nil {
			err = r.Err
		}
	}
	if err = errors.Join(listed, err, ctx.Err()); err != nil {
		return s.failed("delete an organisation", err)
	}
	return nil
}

// Walk lists the bucket. What is not where Put would have put it is left out.
func (s *Store) Walk(ctx context.Context, fn func(org string, page []files.Stored) error) error {
	var org string
	var page []files.Stored
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return s.failed("list files", o.Err)
		}
		key, ok := files.ParsePath(strings.TrimPrefix(o.Key, s.prefix))
		if !ok {
			continue
		}
		if len(page) > 0 && (key.Org != org || len(page) == files.PageSize) {
			if err := fn(org, page); err != nil {
				return err
			}
			page = nil
		}
		org, page = key.Org, append(page, files.Stored{File: key.File, At: o.LastModified})
	}
	if err := ctx.Err(); err != nil || len(page) == 0 {
		return err
	}
	return fn(org, page)
}

// Tidy has nothing to do: what is cut off was never sent.
func (s *Store) Tidy(context.Context, time.Time) (int, error) { return 0, nil }

// Note reads a note.
func (s *Store) Note(ctx context.Context, name string) (note string, err error) {
	o, err := s.open(ctx, name)
	if errors.Is(err, files.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	text, err := io.ReadAll(io.LimitReader(o, 1<<10))
	return strings.TrimSpace(string(text)), err
}

// SetNote writes a note.
func (s *Store) SetNote(ctx context.Context, name, text string) error {
	_, err := s.put(ctx, name, strings.NewReader(text+"\n"))
	return err
}
