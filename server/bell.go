package server

import (
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/eventlog/pgbell"
	"github.com/b2b-protocol/b2b/server/eventlog/redisbell"
)

// bell is the doorbell between nodes.
type bell interface {
	eventlog.Doorbell
	Close() error
}

// listenToLog makes the hub of the node's streams. A database that nodes share has a
// doorbell: its own, or Redis where that is configured.
func (s *Server) listenToLog(shared bool) error {
	c := eventlog.Config{Store: s.store, Logger: s.log}
	if shared {
		var err error
		if s.config.RedisURL != "" {
			if s.redis, err = newRedis(s.config.RedisURL); err != nil {
				return err
			}
			s.bell, err = redisbell.New(s.config.RedisURL, s.log)
		} else {
			s.bell, err = pgbell.New(s.config.DatabaseURL, s.log)
		}
		if err != nil {
			s.bell = nil
			return err
		}
		c.Doorbell, c.Poll = s.bell, pollLog
	}
	s.hub = eventlog.New(c)
	return nil
}

// leaveLog undoes listenToLog.
func (s *Server) leaveLog() error {
	s.hub.Close()
	var errs []error
	if s.bell != nil {
		errs = append(errs, s.bell.Close())
	}
	if s.redis != nil {
		if err := s.redis.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close Redis: %w", err))
		}
	}
	return errors.Join(errs...)
}
