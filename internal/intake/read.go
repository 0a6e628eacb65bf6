package intake

import (
	"context"
	"errors"
	"io"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// ErrTooLarge is returned for a body with more bytes than allowed.
var ErrTooLarge = errors.New("intake: the body is too large")

// Read appends the content of r to b, up to most bytes, and reserves room before it allocates. b
// must come from package wire, which may reuse its memory; only the result may be used. size
// is the number of bytes to read, or -1 if it is not known. More than the first Small bytes are
// reserved only when these have arrived: a client that announces a large body and does not send it
// occupies no room. Errors of r are returned unchanged.
func (h *Reservation) Read(ctx context.Context, b []byte, r io.Reader, size, most int64) ([]byte, error) {
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

// nextRoom returns the room to reserve for a body that has filled the current room.
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

// fill appends up to n bytes of r. It returns io.EOF if r has fewer.
func fill(b []byte, r io.Reader, n int) ([]byte, error) {
	b = wire.Grow(b, n)
	for end := len(b) + n; len(b) < end; {
		more, err := r.Read(b[len(b):end])
		b = b[:len(b)+more]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}
