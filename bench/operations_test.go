package main

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestLiveSocket: a post over WebSocket ends with its acknowledgement, and other frames count as
// events.
func TestLiveSocket(t *testing.T) {
	t.Parallel()
	url, _ := startedBaseline(t)
	conn, _, err := websocket.Dial(t.Context(), url+"/sends", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }() // closed below
	var received atomic.Int64
	s := &liveSocket{conn: conn, waiting: map[int]chan error{}}
	go s.read(t.Context(), &received)
	for ref := 1; ref <= 3; ref++ {
		if err := s.post(t.Context(), ref, "thread", "text"); err != nil {
			t.Fatal(err)
		}
	}
	if received.Load() != 3 {
		t.Errorf("%d events of 3 posts", received.Load())
	}
	if err := conn.CloseNow(); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "a post after the end fails", func() bool { return s.post(t.Context(), 4, "thread", "text") != nil })
}

// TestUnknownOperation: an operation that the agents cannot do is an error, not a success.
func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	a := newAgents(scenario.New(smallOrg), []*process{{url: "http://127.0.0.1:0"}})
	if err := a.do(t.Context(), scenario.Op{Kind: "dance"}); err == nil || !strings.Contains(err.Error(), "dance") {
		t.Error(errors.Join(errors.New("want an error that names the operation"), err))
	}
}
