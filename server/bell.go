package server

import (
	"context"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/eventlog/pgbell"
	"github.com/b2b-protocol/b2b/server/eventlog/redisbell"
)

// bell is the doorbell between nodes. Whoever remembers what a log says hears it.
type bell struct {
	closer
	heard func(org string, seq int64)
}

type closer interface {
	eventlog.Doorbell
	Close() error
}

// Listen calls fn, and those who listen always, for every ring.
func (b *bell) Listen(ctx context.Context, fn func(org string, seq int64)) error {
	return b.closer.Listen(ctx, func(org string, seq int64) {
		b.heard(org, seq)
		fn(org, seq)
	})
}

// listenToLog makes the hub of the node's streams. A database that nodes share has a
// doorbell: its own, or Redis where that is configured.
func (s *Server) listenToLog(shared bool) error {
	c := eventlog.Config{Store: s.store, Logger: s.log}
	if shared {
		var made closer
		var err error
		if s.config.RedisURL != "" {
			made, err = redisbell.New(s.config.RedisURL, s.log)
		} else {
			made, err = pgbell.New(s.config.DatabaseURL, s.log)
		}
		if err != nil {
			return err
		}
		s.bell = &bell{made, s.auth.Rung}
		c.Doorbell, c.Poll = s.bell, pollLog
	}
	s.hub = eventlog.New(c)
	return nil
}

// leaveLog undoes listenToLog.
func (s *Server) leaveLog() error {
	s.hub.Close()
	if s.bell == nil {
		return nil
	}
	return s.bell.Close()
}
