package server

import (
	"bytes"
	"io"
	"sync"
)

// mostBuffered is how many bytes of a response in the process wait for their reader, as the buffers of a
// connection do: a handler can refuse a request that its client is still sending.
const mostBuffered = 64 << 10

// buffered is a pipe with a buffer.
type buffered struct {
	mu      sync.Mutex
	changed sync.Cond
	data    bytes.Buffer
	end     error // of the writer: io.EOF or why it failed; nil: more may come
	closed  bool  // by the reader
}

func newBuffered() *buffered {
	b := &buffered{}
	b.changed.L = &b.mu
	return b
}

// Write implements io.Writer. It waits while the buffer is full.
func (b *buffered) Write(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(p) > 0 {
		for b.data.Len() >= mostBuffered && !b.closed {
			b.changed.Wait()
		}
		if b.closed {
			return n, io.ErrClosedPipe
		}
		part := p[:min(len(p), mostBuffered-b.data.Len())]
		b.data.Write(part)
		n, p = n+len(part), p[len(part):]
		b.changed.Broadcast()
	}
	return n, nil
}

// CloseWrite ends what is read, with an error or nil.
func (b *buffered) CloseWrite(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end = err; err == nil {
		b.end = io.EOF
	}
	b.changed.Broadcast()
}

// Read implements io.Reader.
func (b *buffered) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.data.Len() == 0 && b.end == nil && !b.closed {
		b.changed.Wait()
	}
	switch {
	case b.closed:
		return 0, io.ErrClosedPipe
	case b.data.Len() == 0:
		return 0, b.end
	}
	n, err := b.data.Read(p)
	b.changed.Broadcast()
	return n, err
}

// Close ends the writes.
func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
	return nil
}
