package wire_test

import (
	"bytes"
	"testing"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// A buffer has room for what it is asked for, and one that is nearly empty gives its memory back
// (B2B-LIM-035: what waits for a client is counted by its capacity).
func TestBuffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expected, written int64
		least, most       int // capacity after Shrink
	}{
		{0, 100, 100, 256 << 10},
		{100 << 10, 100, 100, 256 << 10},
		{4 << 20, 4 << 20, 4 << 20, 8 << 20},
		{4 << 20, 3 << 20, 3 << 20, 6 << 20},
		{4 << 20, 100, 100, 4 << 10},
		{4 << 20, 300 << 10, 300 << 10, 600 << 10},
		{100 << 20, 100, 100, 4 << 10},
	} {
		buf := wire.GetBufferFor(c.expected)
		if len(buf.B) != 0 {
			t.Fatalf("a buffer for %d bytes has %d bytes", c.expected, len(buf.B))
		}
		if c.expected > 256<<10 && int64(cap(buf.B)) < min(c.expected, 8<<20) {
			t.Errorf("a buffer for %d bytes has room for %d", c.expected, cap(buf.B))
		}
		text := bytes.Repeat([]byte("x"), int(c.written))
		buf.B = append(buf.B, text...)
		buf.Shrink()
		if !bytes.Equal(buf.B, text) {
			t.Errorf("%d bytes in a buffer for %d: changed", c.written, c.expected)
		}
		if n := cap(buf.B); n < c.least || n > c.most {
			t.Errorf("%d bytes in a buffer for %d: occupy %d, want %d to %d", c.written, c.expected, n, c.least, c.most)
		}
		wire.PutBuffer(buf)
	}
}

// A buffer that has grown is not given to those that expect a small response.
func TestLargeBuffersAreKeptApart(t *testing.T) {
	t.Parallel()
	for range 100 {
		grown := wire.GetBufferFor(4 << 20)
		wire.PutBuffer(grown)
		buf := wire.GetBuffer()
		if n := cap(buf.B); n > 256<<10 {
			t.Fatalf("a buffer for a small response occupies %d bytes", n)
		}
		wire.PutBuffer(buf)
	}
}

// Grow keeps the bytes, and takes memory of large bodies from the pool: they leave no garbage.
func TestGrow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ has, more, most int }{
		{0, 10, 4 << 10}, {10, 10 << 10, 32 << 10}, {10, 300 << 10, 520 << 10}, {300 << 10, 1, 520 << 10},
		{10, 600 << 10, 1032 << 10}, {600 << 10, 424<<10 + 1, 1032 << 10}, {10, 3 << 20, 4 << 20},
	} {
		for range 3 { // with and without memory in the pool
			buf := wire.GetBuffer()
			buf.B = wire.Grow(buf.B, c.has)
			text := bytes.Repeat([]byte("x"), c.has)
			buf.B = append(buf.B, text...)
			buf.B = wire.Grow(buf.B, c.more)
			if !bytes.Equal(buf.B, text) {
				t.Errorf("%d bytes with room for %d more: changed", c.has, c.more)
			}
			if n := cap(buf.B); n < c.has+c.more || n > c.most {
				t.Errorf("%d bytes with room for %d more: occupy %d, want at most %d", c.has, c.more, n, c.most)
			}
			buf.B = append(buf.B, bytes.Repeat([]byte("y"), c.more)...) // what follows must not show in the next
			wire.PutBuffer(buf)
		}
	}
}
