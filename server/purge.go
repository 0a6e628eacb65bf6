package server

import (
	"context"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const (
	purgeEvery        = 15 * time.Minute
	rememberRequestID = 24 * time.Hour
)

// purge removes what time has made worthless: expired sessions and tickets, and the
// answers remembered for request ids. A failure is logged and tried again next time.
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
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
