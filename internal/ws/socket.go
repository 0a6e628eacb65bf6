package ws

import (
	"encoding/binary"
	"math"
	"net"
	"sync"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
)

// socket is the network connection of a client, with two writers: the WebSocket library writes
// control frames, and this package writes the frames of events and replies. The frame of an event
// is the same for all its readers, so it is encoded once; waiting frames are written together,
// because a system call is most of the cost of a delivery.
//
// A control frame does not wait for a write in progress, which can take long on a slow network: it
// is queued and written after it. Nothing is written after a close frame.
type socket struct {
	net.Conn

	mu      sync.Mutex
	busy    bool   // a write by send is in progress
	closed  bool   // a close frame was written, or will be next
	waiting []byte // control frames to write after the current write
}

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opBits  = 0x0f
	fin     = 0x80

	maxHeader  = 10  // bytes before the payload of a frame that is not masked
	maxControl = 127 // a control frame that is not masked
	// mostWaiting limits the control frames that wait, in bytes. Further pongs are dropped; a
	// client that sends many pings gets at least one pong.
	mostWaiting = 4 * maxControl
)

// Write writes or queues one control frame of the library.
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

// send writes frames. It waits as long as the connection is open.
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

// batch is frames that are written together; usually there is one.
type batch struct {
	first   []byte
	more    [][]byte
	size    int // bytes
	answers int // the number of replies
	behind  int // the number of replies queued behind events
}

// kind is the kind of a frame.
type kind int

const (
	event kind = iota
	replyBehind
	answerSoon
)

// The limits of a batch: enough to save system calls, and small enough that a control frame does
// not wait long.
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
	if k == replyBehind {
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

// bufferWriter is a connection of package edge. It writes several buffers with one system call;
// net.Buffers does that only for connections of package net.
type bufferWriter interface {
	WriteBuffers(*net.Buffers) (int64, error)
}

// frameOf returns the frame of an event.
func frameOf(it *eventlog.Item) []byte {
	frame, _ := it.Encodings.Get(call.EncodingFrame, func() ([]byte, error) { return textFrame(it.Wire), nil }) // never fails
	return frame
}

// textFrame returns a text frame as servers send it: whole and not masked (RFC 6455, section 5.2).
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
