package wire

import "sync"

const (
	bufferSize = 4 << 10   // the size of a new buffer: enough for most responses
	bufferKept = 256 << 10 // larger buffers are not pooled
)

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, bufferSize)} }}

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

// PutBuffer returns a buffer to the pool; its bytes must not be used afterwards. A buffer larger
// than 256 KiB is dropped, so that one large response does not stay in memory.
func PutBuffer(buf *Buffer) {
	if cap(buf.B) <= bufferKept {
		buffers.Put(buf)
	}
}
