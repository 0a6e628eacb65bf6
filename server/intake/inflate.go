package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"sync"
)

// inflaters are lent: one has 40 KB.
var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

// Inflate appends to b what packed, made by gzip, inflates to. It stops behind the limit:
// content of more than most bytes is ErrTooLarge, however much more there is.
func (h *Hold) Inflate(ctx context.Context, b, packed []byte, most int64) ([]byte, error) {
	z := inflaters.Get().(*gzip.Reader)
	defer inflaters.Put(z)
	from := bytes.NewReader(packed)
	if err := z.Reset(from); err != nil {
		return b, fmt.Errorf("begin to inflate: %w", err)
	}
	b, err := h.Read(ctx, b, z, -1, most)
	from.Reset(nil) // what is lent on must not keep the request
	return b, err
}
