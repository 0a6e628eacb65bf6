package wire

import "sync"

const (
	bufferSize = 4 << 10   // what a new buffer holds: most answers
	bufferKept = 256 << 10 // larger buffers are left to the garbage collector
)

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, bufferSize)} }}

// A Buffer is lent memory to append to: buf.B, err = wire.Append(buf.B, m).
type Buffer struct {
	B []byte
}

// GetBuffer lends an empty buffer. Return it with [PutBuffer].
func GetBuffer() *Buffer {
	buf := buffers.Get().(*Buffer)
	buf.B = buf.B[:0]
	return buf
}

// PutBuffer takes a buffer back; its bytes must not be used any more. A buffer that
// grew beyond 256 KiB is dropped, so that one large answer does not stay in memory.
func PutBuffer(buf *Buffer) {
	if cap(buf.B) <= bufferKept {
		buffers.Put(buf)
	}
}
