package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is one unit of a stream: a frame of a WebSocket or an item of server-sent events, as it is
// sent. event has the JSON of its event; nil: it has none.
type frame struct {
	raw   []byte
	event []byte
}

// A framing reads and makes the frames of one kind of stream.
type framing interface {
	read(*bufio.Reader) (frame, error)
	make(event []byte) frame
	close() []byte // what a server that restarts sends last
}

// sockets is the framing of what a server sends over a WebSocket (RFC 6455): its frames are not
// masked.
type sockets struct{}

const (
	textFrame  = 0x81 // whole
	closeFrame = 0x88
	mostFrame  = 1 << 24 // bytes
)

func (sockets) read(from *bufio.Reader) (frame, error) {
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(from, head); err != nil {
		return frame{}, err
	}
	size := uint64(head[1] & 127)
	if more := map[uint64]int{126: 2, 127: 8}[size]; more > 0 {
		head = head[:2+more]
		if _, err := io.ReadFull(from, head[2:]); err != nil {
			return frame{}, err
		}
		padded := make([]byte, 8)
		copy(padded[8-more:], head[2:])
		size = binary.BigEndian.Uint64(padded)
	}
	if size > mostFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes", size)
	}
	raw := append(head, make([]byte, size)...)
	if _, err := io.ReadFull(from, raw[len(head):]); err != nil {
		return frame{}, err
	}
	f := frame{raw: raw}
	if raw[0] == textFrame {
		f.event = raw[len(head):]
	}
	return f, nil
}

func (sockets) make(event []byte) frame {
	return frame{raw: socketFrame(textFrame, event), event: event}
}

func (sockets) close() []byte {
	return socketFrame(closeFrame, append(binary.BigEndian.AppendUint16(nil, 1012), "Service restart"...))
}

func socketFrame(kind byte, payload []byte) []byte {
	raw := []byte{kind}
	switch {
	case len(payload) < 126:
		raw = append(raw, byte(len(payload)))
	case len(payload) < 1<<16:
		raw = binary.BigEndian.AppendUint16(append(raw, 126), uint16(len(payload)))
	default:
		raw = binary.BigEndian.AppendUint64(append(raw, 127), uint64(len(payload)))
	}
	return append(raw, payload...)
}

// serverSent is the framing of server-sent events: lines up to an empty one.
type serverSent struct{}

var data = []byte("data: ")

func (serverSent) read(from *bufio.Reader) (frame, error) {
	var f frame
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return frame{}, err
		}
		f.raw = append(f.raw, line...)
		if text, ok := bytes.CutPrefix(line, data); ok {
			f.event = bytes.TrimRight(text, "\n")
		}
		if len(line) == 1 {
			return f, nil
		}
	}
}

func (serverSent) make(event []byte) frame {
	return frame{raw: fmt.Appendf(nil, "data: %s\n\n", event), event: event}
}

func (serverSent) close() []byte {
	return []byte("event: resume\ndata: {\"error\":\"the server restarts\",\"code\":\"UNAVAILABLE\"}\n\n")
}

// altered returns a frame with another event in it, and the same id.
func (f frame) altered(event []byte, by framing) frame {
	if _, ok := by.(serverSent); ok {
		return frame{raw: bytes.Replace(f.raw, f.event, event, 1), event: event}
	}
	return by.make(event)
}
