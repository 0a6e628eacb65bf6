package s3files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/b2b-protocol/b2b/internal/files"
)

// object reads an object from its current offset. The first read requests the bytes, so that a
// caller that needs only the size requests none.
type object struct {
	ctx    context.Context // as long as it is open
	cancel context.CancelFunc
	store  *Store
	path   string
	etag   string
	size   int64
	at     int64
	body   io.ReadCloser // of what comes at at; nil: not asked for

	taken  int64         // bytes
	waited time.Duration // time spent waiting for the store, without the time of the caller
}

// Open returns an object, which can be read until ctx ends.
func (s *Store) Open(ctx context.Context, key files.Key) (files.Object, error) {
	if err := key.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", files.ErrNotFound, err)
	}
	o, err := s.open(ctx, key.Path())
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (s *Store) open(ctx context.Context, path string) (*object, error) {
	ask, cancel := context.WithTimeout(ctx, s.stall)
	defer cancel()
	info, err := s.client.StatObject(ask, s.bucket, s.prefix+path, minio.StatObjectOptions{})
	if gone(err) {
		return nil, files.ErrNotFound
	}
	if err != nil {
		return nil, s.failed("open "+path, err)
	}
	o := &object{store: s, path: path, etag: info.ETag, size: info.Size}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o, nil
}

func (o *object) Size() int64 { return o.size }

// Seek sets the offset without a request.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return o.at, errors.New("files: seek before the first byte")
	}
	if offset == o.at {
		return o.at, nil
	}
	o.at = offset
	return o.at, o.drop()
}

// Read reads from the offset. When the connection breaks, Read continues with a new request, as
// long as each request returns some bytes, and the whole read is faster than slowest, not
// counting one stall (B2B-LIM-047).
func (o *object) Read(p []byte) (n int, err error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	began := time.Now()
	defer func() {
		o.taken += int64(n)
		o.waited += time.Since(began)
	}()
	ahead := time.Duration(o.taken/slowest)*time.Second - o.waited
	timeout := o.store.stall + min(0, ahead)
	for range attempts {
		if err = o.ask(); err != nil {
			break // has been tried again already
		}
		watch := time.AfterFunc(timeout, o.cancel)
		n, err = o.body.Read(p[:min(int64(len(p)), o.size-o.at)])
		watch.Stop()
		o.at += int64(n)
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes again
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err = errors.Join(err, o.drop()); o.ctx.Err() != nil {
			break
		}
	}
	return 0, o.store.failed("read "+o.path, err)
}

// ask requests the bytes from the offset on, of the version that was opened.
func (o *object) ask() error {
	if o.body != nil {
		return nil
	}
	var options minio.GetObjectOptions
	if err := errors.Join(options.SetRange(o.at, o.size-1), options.SetMatchETag(o.etag)); err != nil {
		return err
	}
	watch := time.AfterFunc(attempts*o.store.stall, o.cancel)
	defer watch.Stop()
	body, _, _, err := o.store.client.GetObject(o.ctx, o.store.bucket, o.store.prefix+o.path, options)
	if err != nil {
		return err
	}
	o.body = body
	return nil
}

func (o *object) drop() error {
	if o.body == nil {
		return nil
	}
	body := o.body
	o.body = nil
	return body.Close()
}

// Close ends the running request.
func (o *object) Close() error {
	err := o.drop()
	o.cancel()
	return err
}
