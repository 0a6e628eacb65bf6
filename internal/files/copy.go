package files

import (
	"context"
	"io"
	"sync"
)

// copySize is the size of the buffer of a copy, in bytes.
const copySize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// Copy copies r to w, with a pooled buffer, until r or ctx ends.
func Copy(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, withContext{ctx, r}, buf[:])
}

// withContext ends a reader with its context.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (c withContext) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
