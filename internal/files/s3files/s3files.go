// Package s3files stores the bytes of files in a bucket of a store with the S3 protocol: Amazon
// S3, MinIO, Ceph, R2 and others.
//
// An upload is first spooled to a local file, then sent with one PUT, with its length and hash.
// A PUT is atomic, so a partial file is never served. A client that sends slowly or disconnects
// makes no requests to the store, a failed PUT can be repeated, and an upload needs only a copy
// buffer in memory. Multipart uploads would need no local file, but would buffer parts in memory
// and leave parts in the bucket after a crash. The local file is unlinked at once, so it
// disappears with the process.
//
// The client is minio-go. A program with it has 8.6 MB; one with gocloud.dev/blob, which uses
// Amazon's SDK, has 31 MB and three times the modules.
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

	"github.com/b2b-protocol/b2b/internal/files"
)

const (
	// MaxSize is the largest file in bytes: what one PUT can carry.
	MaxSize = 5 << 30

	attempts = 3                      // of an upload
	pause    = 200 * time.Millisecond // after the first, then twice as long
	stall    = 30 * time.Second       // without a byte of a response
	slowest  = 256 << 10              // bytes a second, the least speed of the store
)

// Store is a files.Store in a bucket.
type Store struct {
	place
	client    minio.Core
	transport *http.Transport
	spool     string
	stall     time.Duration
}

// Open creates the spool folder and returns a store. It makes no request to the bucket.
func Open(c Config) (*Store, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	if err := files.PrivateFolder(c.Spool); err != nil {
		return nil, fmt.Errorf("open the folder for spooled uploads: %w", err)
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

// String names the bucket.
func (s *Store) String() string {
	return fmt.Sprintf("the bucket s3://%s/%s at %s", s.bucket, s.prefix, s.endpoint)
}

// failed wraps an error with the failed action, and a hint for the operator.
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

// Put spools r to a local file, then sends it.
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
	if err := os.Remove(f.Name()); err != nil { // the bytes exist until the file is closed
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

// send sends a file, and repeats it after temporary errors. Each attempt has a reader of its own,
// because the connection of the previous one may still be reading.
func (s *Store) send(ctx context.Context, path string, f *os.File, size int64, hash string) (err error) {
	for n := range attempts {
		// The reader implements only Read, so that minio-go neither splits nor rewinds it.
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

// full reports whether the store or the quota of the bucket is full.
func full(err error) bool {
	answer := minio.ToErrorResponse(err)
	switch answer.Code {
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return true
	}
	return answer.StatusCode == http.StatusInsufficientStorage
}

// passing reports whether an error may be temporary.
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

// DeleteOrg removes the objects of an org, a thousand a request.
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
