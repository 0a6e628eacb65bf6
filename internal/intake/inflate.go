package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"sync"
)

// inflaters is a pool, since each takes 40 KB.
var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

// Inflate decompresses packed, in gzip format, and appends the result to b. It stops after most
// bytes and returns ErrTooLarge if there are more.
func (h *Reservation) Inflate(ctx context.Context, b, packed []byte, most int64) ([]byte, error) {
	z := inflaters.Get().(*gzip.Reader)
	defer inflaters.Put(z)
	from := bytes.NewReader(packed)
	if err := z.Reset(from); err != nil {
		return b, fmt.Errorf("begin to inflate: %w", err)
	}
	b, err := h.Read(ctx, b, z, -1, most)
	from.Reset(nil) // the pooled reader must not reference the request
	return b, err
}
