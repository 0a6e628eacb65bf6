package ws

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// readFrames reads unmasked frames; it returns the opcode and the size of each.
func readFrames(t *testing.T, r io.Reader) (ops []byte, sizes []int) {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n, at := int(data[1]), 2
		switch n {
		case 126:
			n, at = int(data[2])<<8|int(data[3]), 4
		case 127:
			n, at = int(data[6])<<24|int(data[7])<<16|int(data[8])<<8|int(data[9]), 10
		}
		if data[0]&fin == 0 || len(data) < at+n {
			t.Fatalf("a broken frame of %d bytes: % x", n, data[:at])
		}
		ops, sizes = append(ops, data[0]&opBits), append(sizes, n)
		data = data[at+n:]
	}
	return ops, sizes
}

func TestTextFrame(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		ops, sizes := readFrames(t, bytes.NewReader(textFrame([]byte(strings.Repeat("x", n)))))
		if len(ops) != 1 || ops[0] != opText || sizes[0] != n {
			t.Errorf("%d bytes: frames %v of %v", n, ops, sizes)
		}
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	var b batch
	for n := 1; !b.full(); n++ {
		b.add(textFrame([]byte("text")), kind(n%4)%3)
	}
	if len(b.more) != batchFrames-1 || b.answers != batchFrames/2 || b.behind != batchFrames/4 {
		t.Errorf("%d frames, %d answers, %d of them behind", len(b.more)+1, b.answers, b.behind)
	}
	large := batch{}
	if large.add(make([]byte, batchBytes), event); !large.full() {
		t.Error("a large frame does not fill a batch")
	}
}

const (
	ping = "\x89\x01p"
	shut = "\x88\x02\x0f\xa8"
)

// Control frames do not wait for a write in progress: they follow it. Nothing follows a close
// frame.
func TestControlFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		s := &socket{Conn: here}
		var b batch
		b.add(textFrame([]byte("first")), event)
		b.add(textFrame([]byte("second")), event)
		sent := make(chan error, 1)
		go func() { sent <- s.send(&b) }()
		synctest.Wait()  // it writes
		for range 1000 { // more than are queued
			if _, err := s.Write([]byte(ping)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Write([]byte(shut)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte(ping)); err != nil { // too late
			t.Fatal(err)
		}
		if n := len(s.waiting); n > mostWaiting+len(shut) {
			t.Errorf("%d bytes wait", n)
		}
		var late batch
		late.add(textFrame([]byte("late")), event)
		if err := s.send(&late); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sent behind a close frame: %v", err)
		}
		done := make(chan []byte, 1)
		go func() {
			data, _ := io.ReadAll(there) // ends with the close below
			done <- data
		}()
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		_ = here.Close() // a pipe
		ops, _ := readFrames(t, bytes.NewReader(<-done))
		if string(ops[:3]) != "\x01\x01\x09" || ops[len(ops)-1] != opClose {
			t.Errorf("the order is % x", ops)
		}
	})
}

// Without a write in progress control frames are written at once, and a broken connection returns
// an error.
func TestControlFramesAlone(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	s := &socket{Conn: here}
	go func() {
		_, _ = io.ReadFull(there, make([]byte, len(ping))) // then it breaks
		_ = there.Close()
	}()
	if _, err := s.Write([]byte(ping)); err != nil {
		t.Error(err)
	}
	var b batch
	b.add(textFrame([]byte("text")), event)
	if err := s.send(&b); err == nil {
		t.Error("sent into a broken connection")
	}
	if s.busy {
		t.Error("still busy")
	}
}
