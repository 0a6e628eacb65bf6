package ws

import (
	"encoding/binary"
	"math"
	"net"
	"sync"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
)

// socket is the network connection of a client, with two who write to it: the library
// of WebSockets writes control frames, and we write the frames of events and answers.
// Those are the same for all readers of an event, so they are made once, and what
// waits is written together: a system call is most of what a delivery costs.
//
// A control frame never waits for a frame of ours that is under way, which on a slow
// network may take long: it is put behind it. Nothing is written behind a close frame.
type socket struct {
	net.Conn

	mu      sync.Mutex
	busy    bool   // frames of ours are being written
	closed  bool   // a close frame was written, or will be next
	waiting []byte // control frames, to be written when it is not busy any more
}

const (
	opText  = 0x1
	opClose = 0x8
	opBits  = 0x0f
	fin     = 0x80

	maxHeader  = 10  // bytes before the payload of a frame that is not masked
	maxControl = 127 // a control frame that is not masked
	// mostWaiting bounds the control frames that wait. A pong beyond it is dropped: of
	// many pings the last is answered at least.
	mostWaiting = 4 * maxControl
)

// Write takes one control frame of the library.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return len(p), nil
	}
	closing := len(p) > 0 && p[0]&opBits == opClose
	s.closed = closing
	if !s.busy {
		return s.Conn.Write(p)
	}
	if closing || len(s.waiting)+len(p) <= mostWaiting {
		s.waiting = append(s.waiting, p...)
	}
	return len(p), nil
}

// send writes frames. It waits for as long as the connection stands.
func (s *socket) send(b *batch) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.busy = true
	s.mu.Unlock()
	err := b.writeTo(s.Conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if err == nil && len(s.waiting) > 0 {
		_, err = s.Conn.Write(s.waiting)
	}
	s.waiting = nil
	return err
}

// batch is frames that are written together. Most often it is one.
type batch struct {
	first   []byte
	more    [][]byte
	size    int // bytes
	answers int // how many of them are answers
	behind  int // how many of these were put behind events
}

// kind is what a frame is.
type kind int

const (
	event kind = iota
	answerBehind
	answerSoon
)

// What is written together at most: enough to save system calls, and little enough
// that a control frame does not wait for long.
const (
	batchFrames = 64
	batchBytes  = 64 << 10
)

func (b *batch) full() bool { return len(b.more)+1 >= batchFrames || b.size >= batchBytes }

func (b *batch) add(frame []byte, k kind) {
	b.size += len(frame)
	if k != event {
		b.answers++
	}
	if k == answerBehind {
		b.behind++
	}
	if b.first == nil {
		b.first = frame
		return
	}
	b.more = append(b.more, frame)
}

func (b *batch) writeTo(conn net.Conn) error {
	if len(b.more) == 0 {
		_, err := conn.Write(b.first)
		return err
	}
	all := append(net.Buffers{b.first}, b.more...)
	var err error
	if at, ok := conn.(bufferWriter); ok {
		_, err = at.WriteBuffers(&all)
	} else {
		_, err = all.WriteTo(conn)
	}
	return err
}

// bufferWriter is a connection of the server's edge: it passes several buffers on as one
// system call, which net.Buffers does by itself for connections of package net alone.
type bufferWriter interface {
	WriteBuffers(*net.Buffers) (int64, error)
}

// frameOf is the frame of an event.
func frameOf(it *eventlog.Item) []byte {
	frame, _ := it.Encodings.Get(call.EncodingFrame, func() ([]byte, error) { return textFrame(it.Wire), nil }) // never fails
	return frame
}

// textFrame is a frame with a text, as servers send it: whole and not masked
// (RFC 6455, section 5.2).
func textFrame(text []byte) []byte {
	b := append(make([]byte, 0, maxHeader+len(text)), fin|opText)
	switch n := len(text); {
	case n <= 125:
		b = append(b, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, text...)
}
