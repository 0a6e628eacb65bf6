package b2btest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// heartbeatPause is the pause between the signs of life of a stream.
const heartbeatPause = 15 * time.Second

// feed is the connection of a listener.
type feed struct {
	bot   string
	index int           // of the next event of the log
	woken chan struct{} // has room for one signal
	ended chan ending   // has room for one
}

// ending is a close frame; without a code, the connection is cut.
type ending struct {
	code   int
	reason string
}

// open adds the feed of a bot. A position that cannot be served is an error with its code.
func (s *FakeServer) open(bot, position string) (*feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &feed{bot: bot, index: len(s.org.log), woken: make(chan struct{}, 1), ended: make(chan ending, 1)}
	if position != "" {
		var err error
		if f.index, err = s.org.indexOf(position); err != nil {
			return nil, err
		}
	}
	f.woken <- struct{}{}
	s.feeds[f] = struct{}{}
	return f, nil
}

func (s *FakeServer) leave(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.feeds, f)
}

// wake makes the feeds look for events. The caller holds mu.
func (s *FakeServer) wake() {
	for f := range s.feeds {
		select {
		case f.woken <- struct{}{}:
		default:
		}
	}
}

func (s *FakeServer) end(which func(*feed) bool, how ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.feeds {
		if which(f) {
			delete(s.feeds, f)
			f.ended <- how
		}
	}
}

// next returns the events for a feed that are new.
func (s *FakeServer) next(f *feed) (events []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.org.log[f.index:] {
		if e.receivers[f.bot] {
			events = append(events, e)
			if s.twice {
				events = append(events, e)
			}
		}
	}
	f.index = len(s.org.log)
	return events
}

// run sends the events of a feed until it ends. Without an ending, the client or the server left.
func (s *FakeServer) run(ctx context.Context, f *feed, send func(entry) error, alive func() error) (how ending, closed bool) {
	defer s.leave(f)
	heartbeat := time.NewTicker(heartbeatPause)
	defer heartbeat.Stop()
	for {
		select {
		case how := <-f.ended:
			return how, true
		case <-s.finished:
			return ending{}, false
		case <-ctx.Done():
			return ending{}, false
		case <-heartbeat.C:
			if alive() != nil {
				return ending{}, false
			}
		case <-f.woken:
			for _, e := range s.next(f) {
				if send(e) != nil {
					return ending{}, false
				}
			}
		}
	}
}

// serveSocket serves a WebSocket, which a ticket opens once.
func (s *FakeServer) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.streams.Add(1)
	defer s.streams.Done()
	query := r.URL.Query()
	s.mu.Lock()
	bot, known := s.org.tickets[query.Get("ticket")]
	delete(s.org.tickets, query.Get("ticket"))
	s.mu.Unlock()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has responded
	}
	defer func() { _ = conn.CloseNow() }() // it may be closed already
	if !known {
		_ = conn.Close(4001, "Invalid ticket") // the client may have left
		return
	}
	f, err := s.open(bot, query.Get("cursor"))
	if err != nil {
		_ = conn.Close(4009, nameOf(b2b.CodeOf(err)))
		return
	}
	ctx := conn.CloseRead(context.WithoutCancel(r.Context()))
	how, _ := s.run(ctx, f, func(e entry) error {
		return conn.Write(ctx, websocket.MessageText, e.json)
	}, func() error { return nil })
	if how.code != 0 {
		_ = conn.Close(websocket.StatusCode(how.code), how.reason)
	}
}

// serveStream serves a stream of server-sent events.
func (s *FakeServer) serveStream(w http.ResponseWriter, r *http.Request) {
	s.streams.Add(1)
	defer s.streams.Done()
	s.mu.Lock()
	bot, err := s.org.authenticate(r.Header)
	s.mu.Unlock()
	var f *feed
	if err == nil {
		f, err = s.open(bot.GetId(), r.URL.Query().Get("cursor"))
	}
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(statusOf(err))
		fmt.Fprintf(w, `{"error":%q,"code":%q}`, err, nameOf(b2b.CodeOf(err)))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	alive := func() error {
		fmt.Fprintf(w, ": heartbeat\nid: %s\n\n", position(f.index))
		return flush()
	}
	if alive() != nil {
		s.leave(f)
		return
	}
	_, cut := s.run(r.Context(), f, func(e entry) error {
		fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", e.position, e.kind, e.json)
		return flush()
	}, alive)
	if cut {
		panic(http.ErrAbortHandler)
	}
}
