package ws

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	rateSpan = 5 * time.Minute
	topBots  = 10
	maxSeen  = 100_000 // bots that are remembered to recognize a reconnection
)

// stats counts events of connections. The fields below the atomics are guarded by Server.mu.
type stats struct {
	ops, acks, errors, conflicts, limited atomic.Int64

	closes sync.Map // close code (int) to *atomic.Int64: connections that the server closed

	seen    map[string]struct{} // bots that have been connected
	returns []time.Time         // reconnections of the last five minutes
}

func (s *stats) failed(code b2bv1.ErrorCode) {
	s.errors.Add(1)
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT:
		s.conflicts.Add(1)
	case b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED:
		s.limited.Add(1)
	}
}

// closed counts a connection that the server closes or refuses.
func (s *stats) closed(e *subscription.End) {
	code, _ := e.Close()
	n, ok := s.closes.Load(code)
	if !ok {
		n, _ = s.closes.LoadOrStore(code, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// Counts are the numbers of the connections, for monitoring.
type Counts struct {
	Bots, Sessions int           // connections of bots with their token, and of people
	Unanswered     int           // connections that have not responded to the last ping
	Closed         map[int]int64 // connections that the server has closed or refused, by close code
}

// Counts returns the numbers of the connections of this node.
func (s *Server) Counts() Counts {
	out := Counts{Closed: map[int]int64{}}
	s.stats.closes.Range(func(code, n any) bool {
		out.Closed[code.(int)] = n.(*atomic.Int64).Load()
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		if c.session {
			out.Sessions++
		} else {
			out.Bots++
		}
		if c.awaitsPong.Load() {
			out.Unanswered++
		}
	}
	return out
}

// connected counts a new connection.
func (s *stats) connected(c *client) {
	if c.bot == "" {
		return
	}
	if _, again := s.seen[c.bot]; again {
		s.recent(c.opened)
		s.returns = append(s.returns, c.opened)
		return
	}
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
	s.seen[c.bot] = struct{}{}
}

// recent drops the reconnections that are older than rateSpan.
func (s *stats) recent(now time.Time) {
	old := 0
	for old < len(s.returns) && now.Sub(s.returns[old]) > rateSpan {
		old++
	}
	s.returns = slices.Delete(s.returns, 0, old)
}

// Connections returns the number of connections, and of connected bots.
func (s *Server) Connections() (clients, bots int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients), len(s.perBot())
}

// perBot counts the connections of each bot; mu must be locked.
func (s *Server) perBot() map[string]int32 {
	n := map[string]int32{}
	for c := range s.clients {
		if c.bot != "" {
			n[c.bot]++
		}
	}
	return n
}

// Stats returns the statistics of the connections of this node.
func (s *Server) Stats() *b2bv1.ConnectionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	out := &b2bv1.ConnectionStats{
		ByType: &b2bv1.ConnectionsByType{}, ByAge: &b2bv1.ConnectionsByAge{},
		WsMetrics: &b2bv1.ConnectionMetrics{
			OpsTotal: s.stats.ops.Load(), AcksTotal: s.stats.acks.Load(), ErrorsTotal: s.stats.errors.Load(),
			ConflictsTotal: s.stats.conflicts.Load(), RateLimitedTotal: s.stats.limited.Load(),
		},
	}
	for c := range s.clients {
		if c.session {
			out.ByType.Session++
		} else {
			out.ByType.BotToken++
		}
		if c.awaitsPong.Load() {
			out.NotAlive++
		}
		switch age := now.Sub(c.opened); {
		case age < time.Minute:
			out.ByAge.Under_1M++
		case age < 10*time.Minute:
			out.ByAge.Under_10M++
		case age < time.Hour:
			out.ByAge.Under_1H++
		default:
			out.ByAge.Over_1H++
		}
	}
	for bot, n := range s.perBot() {
		out.ByBot = append(out.ByBot, &b2bv1.BotConnections{BotId: bot, Count: n})
	}
	slices.SortFunc(out.ByBot, func(a, b *b2bv1.BotConnections) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.BotId, b.BotId))
	})
	out.ByBot = out.ByBot[:min(len(out.ByBot), topBots)]
	s.stats.recent(now)
	out.ReconnectRate_5M = float64(len(s.stats.returns)) / rateSpan.Minutes()
	return out
}
