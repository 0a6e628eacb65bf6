package server

import (
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventlog/pgnotify"
	"github.com/b2b-protocol/b2b/internal/eventlog/redisnotify"
)

// notifier notifies the other nodes of commits.
type notifier interface {
	eventlog.Notifier
	Close() error
}

// listenToLog makes the hub of the node's streams. Nodes that share a database notify each
// other by the database, or by Redis where that is configured.
func (s *Server) listenToLog() error {
	c := eventlog.Config{Store: s.store, Logger: s.log}
	if !s.node.Single {
		var err error
		if s.config.RedisURL != "" {
			if s.redis, err = newRedis(s.config.RedisURL); err != nil {
				return err
			}
			s.notifier, err = redisnotify.New(s.config.RedisURL, s.log)
		} else {
			s.notifier, err = pgnotify.New(s.config.DatabaseURL, s.log)
		}
		if err != nil {
			s.notifier = nil
			return err
		}
		c.Notifier, c.Poll = s.notifier, pollLog
	}
	if s.metrics != nil {
		c.Lag = s.metrics.Lag()
	}
	s.hub = eventlog.New(c)
	return nil
}

// leaveLog closes what listenToLog opened.
func (s *Server) leaveLog() error {
	s.hub.Close()
	var errs []error
	if s.notifier != nil {
		errs = append(errs, s.notifier.Close())
	}
	if s.redis != nil {
		if err := s.redis.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close Redis: %w", err))
		}
	}
	return errors.Join(errs...)
}
