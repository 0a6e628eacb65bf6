package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

// awayFor is how long a bot that catches up was away.
const awayFor = time.Hour

// agents are the bots of an org that use the nodes of a server, each bot the same node.
type agents struct {
	org     *scenario.Org
	nodes   []*process
	client  *http.Client
	since   int64 // of catch-up
	sockets map[int32]*liveSocket

	received atomic.Int64 // events that arrived over all sockets
}

func newAgents(org *scenario.Org, nodes []*process) *agents {
	transport := &http.Transport{MaxIdleConnsPerHost: players, DisableCompression: true}
	return &agents{
		org: org, nodes: nodes, client: &http.Client{Transport: transport},
		since: time.Now().Add(-awayFor).UnixMilli(), sockets: map[int32]*liveSocket{},
	}
}

// listen connects the given number of bots, the most active first, until ctx ends.
func (a *agents) listen(ctx context.Context, count int) error {
	bots := a.org.ByActivity()[:min(count, a.org.Bots)]
	sockets := make([]*liveSocket, len(bots))
	var all errgroup.Group
	all.SetLimit(32)
	for i, bot := range bots {
		all.Go(func() error {
			conn, err := connect(ctx, a.node(bot), a.org.Token(bot), "")
			if err != nil {
				return err
			}
			conn.SetReadLimit(-1)
			sockets[i] = &liveSocket{conn: conn, waiting: map[int]chan error{}}
			go sockets[i].read(ctx, &a.received)
			return nil
		})
	}
	err := all.Wait()
	for i, s := range sockets {
		if s != nil {
			a.sockets[bots[i]] = s
		}
	}
	return err
}

func (a *agents) node(bot int32) string { return a.nodes[int(bot)%len(a.nodes)].url }

// connected returns a participant of a thread that is connected, if there is one.
func (a *agents) connected(thread int) (int32, bool) {
	members := a.org.Participants(thread)
	if i := slices.IndexFunc(members, func(b int32) bool { return a.sockets[b] != nil }); i >= 0 {
		return members[i], true
	}
	return 0, false
}

// do does an operation. A post over WebSocket in a thread without a connected bot goes over REST.
func (a *agents) do(ctx context.Context, op scenario.Op) error {
	thread := a.org.ID("thread", op.Thread)
	if op.Kind == scenario.SocketPost {
		if bot, ok := a.connected(op.Thread); ok {
			return a.sockets[bot].post(ctx, op.N+1, thread, op.Content) // a ref of 0 is not acknowledged
		}
		op.Kind = scenario.Post
	}
	method, path, body := http.MethodGet, "", any(nil)
	switch op.Kind {
	case scenario.Post:
		method, path, body = http.MethodPost, "/api/threads/"+thread+"/messages", map[string]any{"content": op.Content}
	case scenario.Direct:
		method, path, body = http.MethodPost, "/api/send", map[string]any{"to": scenario.BotName(op.Peer), "content": op.Content}
	case scenario.Artifact:
		method, path, body = http.MethodPatch, "/api/threads/"+thread+"/artifacts/"+artifactKey, map[string]any{"content": op.Content}
	case scenario.NewThread:
		method, path, body = http.MethodPost, "/api/threads", map[string]any{"topic": fmt.Sprint("New work ", op.N), "participants": []string{scenario.BotName(op.Peer)}}
	case scenario.Read:
		path = "/api/threads/" + thread + "/messages"
	case scenario.GetThread:
		path = "/api/threads/" + thread
	case scenario.Count:
		path = fmt.Sprintf("/api/me/catchup/count?since=%d", a.since)
	case scenario.CatchUp:
		path = fmt.Sprintf("/api/me/catchup?since=%d", a.since)
	case scenario.Profile:
		path = "/api/bots/" + scenario.BotName(op.Peer) + "/profile"
	default:
		return fmt.Errorf("unknown operation %q", op.Kind)
	}
	t := target{method: method, url: a.node(op.Bot) + path, token: a.org.Token(op.Bot)}
	if body != nil {
		var err error
		if t.body, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return once(ctx, a.client, t)
}

// liveSocket is a connection that receives events, and over which its bot posts.
type liveSocket struct {
	conn *websocket.Conn

	mu      sync.Mutex
	waiting map[int]chan error // by the ref of the operation; nil after the connection ended
}

// read counts events and passes on acknowledgements until the connection ends.
func (s *liveSocket) read(ctx context.Context, received *atomic.Int64) {
	for {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, done := range s.waiting {
				done <- err
			}
			s.waiting = nil
			return
		}
		head := frame[:min(len(frame), 64)]
		refused := bytes.Contains(head, errorType)
		if !refused && !bytes.Contains(head, ackType) {
			received.Add(1)
			continue
		}
		var reply struct{ Ref int }
		_ = json.Unmarshal(frame, &reply) // without a ref nobody waits for it
		s.mu.Lock()
		done := s.waiting[reply.Ref]
		delete(s.waiting, reply.Ref)
		s.mu.Unlock()
		if done == nil {
			continue
		}
		if refused {
			err = fmt.Errorf("refused: %s", frame)
		}
		done <- err // has room for one
	}
}

// post posts to a thread and waits for the acknowledgement.
func (s *liveSocket) post(ctx context.Context, ref int, thread, content string) error {
	frame, err := json.Marshal(map[string]any{"type": "send_thread_message", "ref": ref, "thread_id": thread, "content": content})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	s.mu.Lock()
	open := s.waiting != nil
	if open {
		s.waiting[ref] = done
	}
	s.mu.Unlock()
	if !open {
		return errors.New("the connection has ended")
	}
	if err := s.conn.Write(ctx, websocket.MessageText, frame); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
