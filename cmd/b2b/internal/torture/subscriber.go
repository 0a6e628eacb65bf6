package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
)

// Subscriber receives events over one connection after the other.
type Subscriber struct {
	Name        string
	Viewer      Viewer
	Entries     []Entry
	Connections int
	Steady      bool // never disconnects, and uses the first server
	Failed      error

	scenario *Scenario
	rng      *rand.Rand
	who      opening // its credential
	cursor   string
	over     bool // it received the final event
}

// pause is the delay between two attempts, in which a server may restart.
const pause = 20 * time.Millisecond

// run subscribes until it receives the final event, is refused, or ctx ends.
func (s *Subscriber) run(ctx context.Context) {
	for !s.over && ctx.Err() == nil {
		err := s.connect(ctx)
		var refused *refusedError
		if errors.As(err, &refused) {
			s.Failed = fmt.Errorf("connection %d: %w", s.Connections, err)
			return
		}
		if err != nil {
			sleep(ctx, pause)
		}
	}
	if !s.over {
		s.Failed = errors.New("it did not receive the final event in time")
	}
}

// connect uses one connection, or one catch-up.
func (s *Subscriber) connect(ctx context.Context) error {
	if n, end := len(s.Entries), s.scenario.last.Load(); n > 0 && s.Entries[n-1].Rows != nil && end > 0 && s.Entries[n-1].Seq >= end {
		s.over = true // the catch-up had the final event: no stream will deliver it
		return nil
	}
	s.Connections++
	name, base := s.scenario.servers.Pick(s.rng)
	kinds := slices.Sorted(maps.Keys(bindings))
	kind := kinds[s.rng.IntN(len(kinds))]
	quota, most := s.rng.IntN(200)+1, time.Duration(20+s.rng.IntN(3000))*time.Millisecond
	if s.rng.IntN(3) == 0 {
		quota = s.rng.IntN(4)
	}
	if s.Steady {
		name, base = s.scenario.servers.First()
		kind, quota, most = "sse", 1<<60, time.Hour
	}
	o := s.who
	o.url, o.cursor = base, s.cursor
	via := fmt.Sprintf("connection %d, %s on %s", s.Connections, kind, name)
	if !s.Steady && s.rng.IntN(12) == 0 {
		return s.catchUp(ctx, o, fmt.Sprintf("connection %d, catch-up on %s", s.Connections, name))
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	in, err := bindings[kind](ctx, o)
	if err != nil {
		return err
	}
	defer in.close()
	for range quota {
		it, err := in.next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.take(it, via); err != nil || s.over {
			return err
		}
	}
	return nil
}

// take records an item. An item without a position is delivered once, to those connected.
func (s *Subscriber) take(it item, via string) error {
	if it.cursor == "" {
		return nil
	}
	seq, err := s.scenario.seqOf(it.cursor)
	if err != nil {
		return err
	}
	s.cursor = it.cursor
	if it.text == "" {
		return nil
	}
	s.Entries = append(s.Entries, Entry{Seq: seq, Text: it.text, Via: via})
	s.over = strings.Contains(it.text, s.scenario.end)
	return nil
}

// catchUp lists what was missed, in small pages, and continues from the end of the list.
func (s *Subscriber) catchUp(ctx context.Context, o opening, via string) error {
	if s.cursor == "" {
		return nil
	}
	from, err := s.scenario.seqOf(s.cursor)
	if err != nil {
		return err
	}
	entry := Entry{From: from, Rows: map[string]int64{}, Via: via}
	limit := 1 + s.rng.IntN(20)
	for cursor := s.cursor; ; {
		if entry.Via == via && s.rng.IntN(2) == 0 { // another page from another server
			_, o.url = s.scenario.servers.Pick(s.rng)
		}
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		var page struct {
			Events []struct {
				Type    string
				Thread  string `json:"thread_id"`
				Channel string `json:"channel_id"`
				Count   int64
			}
			More   bool   `json:"has_more"`
			Cursor string `json:"cursor"`
			Stream string `json:"stream_cursor"`
		}
		path := fmt.Sprintf("/api/me/catchup?since=0&limit=%d&cursor=%s", limit, url.QueryEscape(cursor))
		res, err := call(ctx, o, http.MethodGet, path, nil, &page)
		cancel()
		switch {
		case err != nil:
			return err
		case res.StatusCode != http.StatusOK:
			return statusError("a catch-up from "+cursor, res.StatusCode, "")
		}
		for _, e := range page.Events {
			entry.Rows[e.Type+" "+e.Thread+e.Channel] += max(e.Count, 1)
		}
		if cursor = page.Cursor; page.More {
			continue
		}
		if entry.Seq, err = s.scenario.seqOf(page.Stream); err != nil {
			return err
		}
		s.cursor = page.Stream
		s.Entries = append(s.Entries, entry)
		return nil
	}
}

// seqOf returns the seq of a cursor, and checks that each seq has only one cursor.
func (w *Scenario) seqOf(cursor string) (int64, error) {
	p, err := eventlog.ParsePosition(cursor)
	if err != nil {
		return 0, &refusedError{fmt.Sprintf("a cursor that is none: %q", cursor)}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.cursors[p.Seq]; ok && known != cursor {
		return 0, &refusedError{fmt.Sprintf("two cursors for seq %d: %s and %s", p.Seq, known, cursor)}
	}
	w.cursors[p.Seq] = cursor
	return p.Seq, nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
