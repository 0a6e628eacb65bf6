package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

var (
	ackType   = []byte(`"type":"ack"`)
	errorType = []byte(`"type":"error"`)
)

// socketSends returns a runner in which each client sends direct messages over its own connection
// to a bot that is not connected, and waits for each acknowledgement. With tokens nil the
// connections are those of the baseline.
func (o options) socketSends(base, path string, tokens []string, to string) runner {
	frame, err := json.Marshal(map[string]any{"type": "send_dm", "ref": 1, "to": to, "content": strings.Repeat("x", content)})
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return func(ctx context.Context, length time.Duration) (float64, error) {
		ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
		defer cancel()
		conns := make([]*websocket.Conn, o.clients)
		for i := range conns {
			var err error
			if tokens == nil {
				conns[i], _, err = websocket.Dial(ctx, base+path, &websocket.DialOptions{HTTPClient: dialer})
			} else {
				conns[i], err = connect(ctx, base, tokens[i], "")
			}
			if err != nil {
				return 0, err
			}
			defer func() { _ = conns[i].CloseNow() }() // ends the load
		}
		begin := time.Now()
		counts := make([]int, len(conns))
		var all errgroup.Group
		for i, conn := range conns {
			all.Go(func() error {
				for time.Since(begin) < length {
					if err := conn.Write(ctx, websocket.MessageText, frame); err != nil {
						return err
					}
					if err := awaitAck(ctx, conn); err != nil {
						return err
					}
					counts[i]++
				}
				return nil
			})
		}
		err := all.Wait()
		elapsed := time.Since(begin)
		total := 0
		for _, n := range counts {
			total += n
		}
		return float64(total) / elapsed.Seconds(), err
	}
}

// awaitAck reads frames up to the next acknowledgement.
func awaitAck(ctx context.Context, conn *websocket.Conn) error {
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		head := frame[:min(len(frame), 64)]
		if bytes.Contains(head, errorType) {
			return fmt.Errorf("a send was refused: %s", frame)
		}
		if bytes.Contains(head, ackType) {
			return nil
		}
	}
}

const (
	pipelines = 8  // connections
	window    = 64 // sends of a connection that are not acknowledged
)

// pipelined posts messages to threads in turn, as one bot over several connections that do not wait
// for each acknowledgement. It is the fastest way to fill a log through the public API.
func pipelined(ctx context.Context, url, token string, threads []string, count int) error {
	var all errgroup.Group
	for n := range pipelines {
		share := count/pipelines + min(1, max(0, count%pipelines-n))
		all.Go(func() error {
			conn, err := connect(ctx, url, token, "")
			if err != nil {
				return err
			}
			defer func() { _ = conn.CloseNow() }() // all is acknowledged
			return pipeline(ctx, conn, share, func(i int) []byte {
				return fmt.Appendf(nil, `{"type":"send_thread_message","ref":1,"thread_id":"%s","content":"%s"}`,
					threads[(n+i*pipelines)%len(threads)], strings.Repeat("x", content))
			})
		})
	}
	return all.Wait()
}

// pipeline sends frames over a connection, and returns when all are acknowledged.
func pipeline(ctx context.Context, conn *websocket.Conn, count int, frame func(i int) []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	var failed error
	slots := make(chan struct{}, window)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer cancel()
		for range count {
			if failed = awaitAck(ctx, conn); failed != nil {
				return
			}
			<-slots
		}
	})
	var err error
	for i := 0; i < count && err == nil; i++ {
		select {
		case slots <- struct{}{}:
			err = conn.Write(ctx, websocket.MessageText, frame(i))
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		cancel()
	}
	reader.Wait()
	return errors.Join(failed, err)
}
