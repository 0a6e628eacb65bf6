package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	keepEvents    = 30 * 24 * time.Hour // SPEC.md, LIM
	keepResponses = 24 * time.Hour      // saved responses to request ids
	keepRates     = time.Hour           // the longest window of a rate limit
	keepExpired   = 24 * time.Hour      // late callers get "expired" instead of "not found"
	keepInvites   = 30 * 24 * time.Hour // operators read the list
	behind        = 32                  // events behind an index that it is completed for
	inboxBehind   = 500                 // events of an org that are not in its inboxes
	indexSteps    = 32                  // of one run, after which other jobs have their turn
	indexShare    = 4                   // of these, after which the next org has its turn
	endedAtOnce   = 100                 // ended orgs of one run
	botsAtOnce    = 50                  // bots that lose their rate slots in one step
)

func (r *Runner) before(d time.Duration) int64 { return r.Now().Add(-d).UnixMilli() }

// removeExpired removes the expired rows of all orgs.
func (r *Runner) removeExpired(ctx context.Context, s *shift) error {
	for _, remove := range []remover{
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeSessions(ctx, r.before(0), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeWsTickets(ctx, r.before(0), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeTokens(ctx, r.before(keepExpired), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeTickets(ctx, r.before(keepExpired), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeInvites(ctx, r.before(keepInvites), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeIdempotency(ctx, r.before(keepResponses), rows)
		},
		func(ctx context.Context, tx Tx, rows int) (int64, error) {
			return tx.PurgeLoginFailures(ctx, r.before(0), rows)
		},
	} {
		if _, err := s.all(ctx, "", remove); err != nil {
			return fmt.Errorf("remove expired rows: %w", err)
		}
	}
	return r.removeRates(ctx, s)
}

// remover removes at most the given number of rows and returns how many it removed: fewer
// when none are left.
type remover func(ctx context.Context, tx Tx, rows int) (int64, error)

// all repeats remove until no rows are left, and returns how many were removed.
func (s *shift) all(ctx context.Context, org string, remove remover) (total int64, err error) {
	for more := true; more; {
		var removed int64
		err := s.change(ctx, org, func(tx Tx, rows int) (err error) {
			removed, err = remove(ctx, tx, rows)
			more = removed >= int64(rows)
			return err
		})
		if err != nil {
			return total, err
		}
		total += removed
	}
	return total, nil
}

func (r *Runner) removeRates(ctx context.Context, s *shift) error {
	before := r.before(keepRates)
	for after := ""; ; {
		bots, err := r.Store.OldRates(ctx, before, after, botsAtOnce)
		if err != nil {
			return fmt.Errorf("list unused rate slots: %w", err)
		}
		if len(bots) == 0 {
			return nil
		}
		err = s.change(ctx, "", func(tx Tx, _ int) error {
			_, err := tx.PurgeRates(ctx, bots, before)
			return err
		})
		if err != nil {
			return fmt.Errorf("remove unused rate slots: %w", err)
		}
		after = bots[len(bots)-1]
	}
}

// keepOrgs applies the retention settings of each org, and removes events older than
// keepEvents. A failure in one org does not stop the others.
func (r *Runner) keepOrgs(ctx context.Context, s *shift) error {
	var failed []error
	for after := (*store.PageKey)(nil); ; {
		orgs, err := r.Store.Orgs(ctx, after, orgsAtOnce)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("list the orgs: %w", err))...)
		}
		for _, org := range orgs {
			err := errors.Join(r.Orgs.KeepOrg(ctx, org.ID, s.step), r.pruneLog(ctx, s, org.ID))
			if errors.Is(err, errLost) || ctx.Err() != nil {
				return err
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("org %s: %w", org.ID, err))
			}
			after = &store.PageKey{At: org.CreatedAt, ID: org.ID}
		}
		if len(orgs) < orgsAtOnce {
			return errors.Join(failed...)
		}
	}
}

// pruneLog reads the oldest event before it writes, because most logs have no old events
// and each change of an org makes its other writers wait.
func (r *Runner) pruneLog(ctx context.Context, s *shift, org string) error {
	before := r.before(keepEvents)
	oldest, err := r.Store.ReadLog(ctx, org, 0, 1)
	if err != nil || len(oldest) == 0 || oldest[0].At >= before {
		return err
	}
	_, err = s.all(ctx, org, func(ctx context.Context, tx Tx, rows int) (int64, error) { return tx.PruneLog(ctx, before, rows) })
	if err != nil {
		return fmt.Errorf("remove old events: %w", err)
	}
	return nil
}

// anyBehind reports whether the index of any log is to be completed.
func (r *Runner) anyBehind(ctx context.Context) (bool, error) {
	orgs, err := r.Store.LogsBehind(ctx, behind, "", 1)
	return len(orgs) > 0, err
}

// indexLogs completes the index of logs. Changes that append many events do so themselves; what
// they leave makes catch-ups slower until it is done here, as does the log of an older version,
// which has no index. A run ends after indexSteps, because the jobs of a node run one after another,
// and the next run continues with the org after the last one. An org has indexShare steps before the
// next one has its turn: so a log that grows faster than it is indexed keeps no other waiting.
func (r *Runner) indexLogs(ctx context.Context, s *shift) error {
	for steps := 0; steps < indexSteps; {
		orgs, err := r.Store.LogsBehind(ctx, behind, r.indexed, orgsAtOnce)
		if err != nil {
			return fmt.Errorf("list the logs that are not indexed: %w", err)
		}
		if len(orgs) == 0 {
			if r.indexed == "" {
				return nil
			}
			r.indexed = "" // from the beginning
			continue
		}
		for _, org := range orgs {
			n, err := r.indexLog(ctx, s, org, min(indexShare, indexSteps-steps))
			if err != nil && !errors.Is(err, store.ErrNoOrg) {
				return fmt.Errorf("index the log of org %s: %w", org, err)
			}
			r.indexed = org
			if steps += n; steps >= indexSteps {
				return nil
			}
		}
	}
	return nil
}

// indexLog indexes events of an org, in at most most steps, and returns the number of steps.
func (r *Runner) indexLog(ctx context.Context, s *shift, org string, most int) (steps int, err error) {
	_, err = s.all(ctx, org, func(ctx context.Context, tx Tx, rows int) (int64, error) {
		n, err := tx.IndexLog(ctx, rows)
		if steps++; steps >= most {
			return 0, err
		}
		return int64(n), err
	})
	return max(steps, 1), err
}

// settling is what ends by itself in orgs: leases on named things, leases of deliveries, decisions,
// and the time in which messages should be acknowledged. Changes of them do so themselves; the job is for what nobody asks for again.
type settling struct {
	what string
	// orgs lists orgs by id after one, with something that has ended at a time.
	orgs   func(ctx context.Context, now int64, after string, limit int) ([]string, error)
	settle func(ctx context.Context, org string) error
}

// leases are those on named things (B2B-LEASE-009).
func (r *Runner) leases() settling {
	return settling{"leases", r.Store.LeasesEnded, func(ctx context.Context, org string) error { return r.Orgs.SettleLeases(ctx, org) }}
}

// inboxes are those with leases that have ended, or with many events that nobody has claimed
// (B2B-DLV-009).
func (r *Runner) inboxes() settling {
	due := func(ctx context.Context, now int64, after string, limit int) ([]string, error) {
		return r.Store.InboxesDue(ctx, now, inboxBehind, after, limit)
	}
	return settling{"inboxes", due, func(ctx context.Context, org string) error { return r.Orgs.SettleInboxes(ctx, org) }}
}

// decisions are those that have expired (B2B-DEC-025).
func (r *Runner) decisions() settling {
	return settling{"decisions", r.Store.DecisionsExpired, func(ctx context.Context, org string) error { return r.Orgs.SettleDecisions(ctx, org) }}
}

// deadlines are messages that should be acknowledged by now (B2B-RCPT-034).
func (r *Runner) deadlines() settling {
	return settling{"deadlines", r.Store.DeadlinesDue, func(ctx context.Context, org string) error { return r.Orgs.SettleDeadlines(ctx, org) }}
}

// due reports whether anything has ended.
func (r *Runner) due(of settling) func(ctx context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		orgs, err := r.ended(ctx, of, "", 1)
		return len(orgs) > 0, err
	}
}

func (r *Runner) ended(ctx context.Context, of settling, after string, limit int) ([]string, error) {
	now, err := r.Store.LeaseClock(ctx, r.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read the clock of leases: %w", err)
	}
	return of.orgs(ctx, now, after, limit)
}

// settleAll settles all orgs with something that has ended.
func (r *Runner) settleAll(of settling) func(ctx context.Context, s *shift) error {
	return func(ctx context.Context, s *shift) error {
		for after := ""; ; {
			orgs, err := r.ended(ctx, of, after, orgsAtOnce)
			if err != nil {
				return fmt.Errorf("list the orgs with %s that have ended: %w", of.what, err)
			}
			for _, org := range orgs {
				if err := s.next(ctx); err != nil {
					return err
				}
				if err := of.settle(ctx, org); err != nil && !errors.Is(err, store.ErrNoOrg) {
					return fmt.Errorf("settle the %s of org %s: %w", of.what, org, err)
				}
			}
			if len(orgs) < orgsAtOnce {
				return nil
			}
			after = orgs[len(orgs)-1]
		}
	}
}

func (r *Runner) anyEnded(ctx context.Context) (bool, error) {
	ended, err := r.Store.EndedOrgs(ctx, 1)
	return len(ended) > 0, err
}

// removeEnded removes the rows and files of destroyed orgs. It continues where a node that
// stopped has left off.
func (r *Runner) removeEnded(ctx context.Context, s *shift) error {
	grace := time.NewTimer(r.Grace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-grace.C:
	}
	ended, err := r.Store.EndedOrgs(ctx, endedAtOnce)
	if err != nil {
		return fmt.Errorf("list the destroyed orgs: %w", err)
	}
	var failed []error
	for _, org := range ended {
		err := r.remove(ctx, s, org)
		if errors.Is(err, errLost) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("remove org %s: %w", org, err))
		}
	}
	if len(ended) == endedAtOnce {
		r.Wake()
	}
	return errors.Join(failed...)
}

func (r *Runner) remove(ctx context.Context, s *shift, org string) error {
	start := time.Now()
	rows, err := s.all(ctx, org, func(ctx context.Context, tx Tx, rows int) (int64, error) { return tx.EmptyOrg(ctx, org, rows) })
	if err != nil {
		return err
	}
	if r.RemoveFiles != nil {
		if err := r.RemoveFiles(ctx, org); err != nil {
			return err
		}
	}
	err = s.change(ctx, org, func(tx Tx, _ int) error { return tx.DeleteOrg(ctx, org) })
	if err != nil {
		return err
	}
	r.Log.InfoContext(ctx, "a destroyed org is removed", "org", org, "rows", rows, "took", time.Since(start))
	return nil
}
