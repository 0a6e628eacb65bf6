package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// MaxMessage is the size of the largest request message, before and after decompression: 1 MiB.
const MaxMessage = 1 << 20

// MaxPublicMessage is the size of the largest request message of a public operation (B2B-LIM-030).
const MaxPublicMessage = 256 << 10

// overhead is how much larger than its content a compressed message may be, in bytes.
const overhead = 1 << 10

// A decoded element takes about elementSize bytes of memory in addition to its content. Up to
// fewElements are not counted.
const (
	elementSize = 96
	fewElements = 256
)

// body passes a request to connect one message at a time. It reads a whole message, decompresses it
// up to the limit, counts its elements and counts all of that for the caller. connect itself would
// read beyond a limit to report the size of what it refuses, and would decode any message.
//
// Nothing is read before connect asks for it, which it does only after the gate has let the caller
// in.
type body struct {
	raw         io.ReadCloser
	ctx         context.Context
	op          *call.Operation
	reservation intake.Reservation
	size        int64 // of a message without an envelope; -1: unknown
	most        int64
	enveloped   bool
	gzip        bool
	json        bool

	head    [envelope]byte
	buf     *wire.Buffer
	rest    []byte // of buf, not passed on yet
	done    bool   // there are no more messages
	refusal error  // ends the call
}

// begin prepares to read a request. It reports whether the Content-Encoding is decoded here, so
// that connect must not see that header.
func (b *body) begin(r *http.Request, op *call.Operation, reservation intake.Reservation) (decoded bool) {
	b.raw, b.ctx, b.op, b.reservation, b.size = r.Body, r.Context(), op, reservation, r.ContentLength
	b.most = MaxMessage
	if call.Public(op.Access) {
		b.most = MaxPublicMessage
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	b.json = strings.HasSuffix(kind, "json")
	coding := "Content-Encoding"
	switch {
	case strings.HasPrefix(kind, "application/grpc"):
		b.enveloped, coding = true, "Grpc-Encoding"
	case strings.HasPrefix(kind, "application/connect+"):
		b.enveloped, coding = true, "Connect-Content-Encoding"
	}
	b.gzip = r.Header.Get(coding) == "gzip"
	return b.gzip && !b.enveloped
}

// end returns what the request has reserved.
func (b *body) end() {
	if b.raw == nil {
		return
	}
	b.reservation.End()
	if b.buf != nil {
		wire.PutBuffer(b.buf)
		b.buf, b.rest = nil, nil
	}
}

// Close implements io.Closer.
func (b *body) Close() error { return b.raw.Close() }

// Read implements io.Reader. A refusal is returned as an error of connect, which sends it
// unchanged.
func (b *body) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		if b.done {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			b.done = true
			if !errors.Is(err, io.EOF) {
				b.refusal = err
				err = ToConnect(err)
			}
			return 0, err
		}
		if len(b.rest) == 0 { // an empty message without an envelope
			return 0, io.EOF
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// next reads one message; it returns io.EOF if there is none.
func (b *body) next() error {
	if b.op.Stream != nil || b.op.Receive != nil {
		b.reservation.End() // the previous message is decoded, and a stream may take long
	}
	if b.buf == nil {
		b.buf = wire.GetBuffer()
	}
	b.buf.B = b.buf.B[:0]
	if !b.enveloped {
		b.done = true
		return b.message(b.raw, b.size, b.gzip)
	}
	head := b.head[:]
	if _, err := io.ReadFull(b.raw, head); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return cutOff(err)
	}
	b.buf.B = append(b.buf.B, head...)
	size := int64(binary.BigEndian.Uint32(head[1:]))
	inflate := b.gzip && head[0]&compressedFlag != 0 && size > 0
	if err := b.message(io.LimitReader(b.raw, size), size, inflate); err != nil {
		return err
	}
	if inflate {
		b.buf.B[0] &^= compressedFlag
	}
	binary.BigEndian.PutUint32(b.buf.B[1:envelope], uint32(len(b.buf.B)-envelope))
	return nil
}

const (
	envelope       = 5 // bytes before a message of a stream: flags and length
	compressedFlag = 1
)

// message reads one message, appends it to the buffer and checks it.
func (b *body) message(from io.Reader, size int64, inflate bool) error {
	start := len(b.buf.B)
	var err error
	if inflate {
		err = b.inflate(from, size)
	} else {
		b.buf.B, err = b.reservation.Read(b.ctx, b.buf.B, from, size, b.most)
	}
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The request is larger than %d bytes", b.most)
	case err != nil:
		return cutOff(err)
	}
	if err := b.reservation.Decode(b.ctx); err != nil {
		return err
	}
	b.rest = b.buf.B
	return b.count(b.buf.B[start:])
}

// inflate reads a compressed message completely before it decompresses it, so that a slow client
// does not occupy a decompressor.
func (b *body) inflate(from io.Reader, size int64) error {
	packed := wire.GetBuffer()
	defer wire.PutBuffer(packed)
	var err error
	if packed.B, err = b.reservation.Read(b.ctx, packed.B, from, size, b.most+overhead); err != nil || len(packed.B) == 0 {
		return err
	}
	b.buf.B, err = b.reservation.Inflate(b.ctx, b.buf.B, packed.B, b.most)
	if err == nil || errors.Is(err, intake.ErrTooLarge) {
		return err
	}
	if _, ok := call.AsError(err); ok {
		return err
	}
	return call.Invalid("body: is not valid gzip data")
}

// count checks a message before it is decoded, and counts the memory of its elements.
func (b *body) count(message []byte) error {
	var elements int
	var err error
	if b.json {
		elements, err = wire.CheckJSON(message)
	} else {
		elements, err = wire.CheckBinary(b.op.Desc.Input(), message)
	}
	if err != nil {
		return call.Invalid("%s", err)
	}
	if elements > fewElements {
		return b.reservation.Take(b.ctx, int64(elements)*elementSize)
	}
	return nil
}

// cutOff returns the error for a request that was not read to its end; it returns call errors
// unchanged.
func cutOff(err error) error {
	if _, ok := call.AsError(err); ok {
		return err
	}
	return call.Invalid("body: could not be read to its end")
}
