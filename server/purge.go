package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const (
	purgeEvery        = 15 * time.Minute
	rememberRequestID = 24 * time.Hour
	keepEvents        = 30 * 24 * time.Hour
	pruneAtATime      = 1000 // events: the org waits while they go
)

// purge removes what time has made worthless: expired sessions and tickets, the
// answers remembered for request ids, and events that are older than is promised.
// A failure is logged and tried again next time. Several nodes may do it at once:
// what one has removed, another does not find.
func (s *Server) purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		err := s.store.Update(ctx, "", func(tx store.Tx) error {
			if _, err := tx.PurgeSessions(ctx, now.UnixMilli()); err != nil {
				return err
			}
			if _, err := tx.PurgeWsTickets(ctx, now.UnixMilli()); err != nil {
				return err
			}
			_, err := tx.PurgeIdempotency(ctx, now.Add(-rememberRequestID).UnixMilli())
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "purge failed", "error", err)
		}
		if err := s.pruneLogs(ctx, now.Add(-keepEvents)); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "old events were not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// pruneLogs removes the events before a time from the log of every org.
func (s *Server) pruneLogs(ctx context.Context, before time.Time) error {
	for after := (*store.TimeCursor)(nil); ; {
		orgs, err := s.store.Orgs(ctx, after, pruneAtATime)
		if err != nil {
			return fmt.Errorf("list the orgs: %w", err)
		}
		for _, org := range orgs {
			if err := s.pruneLog(ctx, org.ID, before); err != nil {
				return fmt.Errorf("org %s: %w", org.ID, err)
			}
			after = &store.TimeCursor{At: org.CreatedAt, ID: org.ID}
		}
		if len(orgs) < pruneAtATime {
			return nil
		}
	}
}

// pruneLog looks before it writes: most logs have nothing to lose, and each change
// of an org makes its other writers wait.
func (s *Server) pruneLog(ctx context.Context, org string, before time.Time) error {
	oldest, err := s.store.ReadLog(ctx, org, 0, 1)
	if err != nil || len(oldest) == 0 || oldest[0].At >= before.UnixMilli() {
		return err
	}
	for gone := int64(pruneAtATime); gone == pruneAtATime; {
		err := s.store.Update(ctx, org, func(tx store.Tx) (err error) {
			gone, err = tx.PruneLog(ctx, before.UnixMilli(), pruneAtATime)
			return err
		})
		if errors.Is(err, store.ErrNoOrg) {
			return nil // destroyed meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}
