package wire

import (
	"slices"
	"sync"
)

const (
	bufferSize  = 4 << 10   // the size of a new buffer: enough for most responses
	bufferKept  = 256 << 10 // larger buffers are only for what is expected to need them
	bufferLarge = 8 << 20   // larger buffers are not pooled
)

var (
	buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, bufferSize)} }}
	large   = sync.Pool{New: func() any { return new(Buffer) }} // of more than bufferKept bytes
)

// sizeClass is a pool of buffers of one size, in bytes.
type sizeClass struct {
	size int
	pool sync.Pool
}

// bodies are for request bodies of more than bufferKept bytes. They are kept apart from large: a
// client may send a body slowly, and must not occupy memory of many times its size. The largest has
// room for a body of 1 MiB.
var bodies = [...]*sizeClass{{size: 520 << 10}, {size: 1032 << 10}}

// A Buffer is pooled memory to append to: buf.B, err = wire.Append(buf.B, m).
type Buffer struct {
	B []byte
}

// GetBuffer returns an empty buffer from the pool. Return it with [PutBuffer].
func GetBuffer() *Buffer {
	buf := buffers.Get().(*Buffer)
	buf.B = buf.B[:0]
	return buf
}

// GetBufferFor returns an empty buffer for about size bytes, so that it need not grow while they
// are appended. Only a caller that limits how many large buffers are in use may ask for more than
// 256 KiB, and calls [Buffer.Shrink] before it keeps one for long.
func GetBufferFor(size int64) *Buffer {
	if size <= bufferKept {
		return GetBuffer()
	}
	buf := large.Get().(*Buffer)
	buf.B = buf.B[:0]
	if size = min(size, bufferLarge); int64(cap(buf.B)) < size {
		buf.B = make([]byte, 0, size)
	}
	return buf
}

// Grow returns b with room for n more bytes. If b is too small, its bytes are moved to memory of up
// to twice the size that is needed, and b must not be used any more. The memory is given back with
// [PutBuffer]; up to 1 MiB it comes from there.
func Grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	if need <= bufferKept || need > bodies[len(bodies)-1].size {
		return slices.Grow(b, n)
	}
	class := bodies[slices.IndexFunc(bodies[:], func(c *sizeClass) bool { return need <= c.size })]
	grown, ok := class.pool.Get().(*Buffer)
	if !ok {
		grown = &Buffer{B: make([]byte, 0, class.size)}
	}
	whole := append(grown.B[:0], b...)
	grown.B = b
	PutBuffer(grown)
	return whole
}

// PutBuffer returns a buffer to the pool; its bytes must not be used afterwards. A buffer larger
// than 256 KiB is given only to those that expect a large response, and one larger than 8 MiB is
// dropped, so that a large response does not stay in memory.
func PutBuffer(buf *Buffer) {
	switch size := cap(buf.B); {
	case size < bufferSize || size > bufferLarge:
	case size <= bufferKept:
		buffers.Put(buf)
	default:
		for _, class := range bodies {
			if size == class.size {
				class.pool.Put(buf)
				return
			}
		}
		large.Put(buf)
	}
}

// Shrink moves the bytes of a large buffer that they fill by less than half to memory of their
// size, and returns the larger memory to the pool.
func (b *Buffer) Shrink() {
	if cap(b.B) <= bufferKept || len(b.B) > cap(b.B)/2 {
		return
	}
	bytes := append(make([]byte, 0, max(len(b.B), bufferSize)), b.B...)
	PutBuffer(&Buffer{B: b.B})
	b.B = bytes
}
