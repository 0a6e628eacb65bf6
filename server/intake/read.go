package intake

import (
	"context"
	"errors"
	"io"
	"slices"
)

// ErrTooLarge is the error of a body that has more bytes than it may.
var ErrTooLarge = errors.New("intake: the body is too large")

// Read appends what r gives to b, at most most bytes, and takes room for it before it
// allocates. size is how many bytes are to come, -1 when that is not known. Beyond the
// first Small bytes nothing is taken before these have come: who announces a large body and
// does not send it holds no room. Errors of r are returned as they are.
func (h *Hold) Read(ctx context.Context, b []byte, r io.Reader, size, most int64) ([]byte, error) {
	switch {
	case size == 0:
		return b, nil
	case size > most:
		return b, ErrTooLarge
	}
	start := len(b)
	var room int64
	for {
		next := nextRoom(room, size, most)
		if next == room {
			return b, ErrTooLarge
		}
		if err := h.Take(ctx, next-room); err != nil {
			return b, err
		}
		room = next
		var err error
		b, err = fill(b, r, start+int(room)+1-len(b))
		switch {
		case err == io.EOF && int64(len(b)-start) <= room:
			return b, nil
		case err != nil && err != io.EOF:
			return b, err
		}
	}
}

// nextRoom is the room for a body of which more bytes have come than there is room for.
func nextRoom(room, size, most int64) int64 {
	switch {
	case room == 0 && size >= 0:
		return min(size, Small)
	case room == 0:
		return min(Small/2, most)
	case size >= 0:
		return size
	}
	return min(8*room, most)
}

// fill appends up to n bytes; io.EOF when r has fewer.
func fill(b []byte, r io.Reader, n int) ([]byte, error) {
	b = slices.Grow(b, n)
	for end := len(b) + n; len(b) < end; {
		more, err := r.Read(b[len(b):end])
		b = b[:len(b)+more]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}
