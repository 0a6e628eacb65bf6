package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/leasename"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// leaseService grants leases on named things (B2B-LEASE).
type leaseService struct {
	*core
	reads leaseReads
	desks *desks
}

func newLeaseService(c *core, reads leaseReads) *leaseService {
	return &leaseService{core: c, reads: reads, desks: &desks{
		core: c, types: []string{eventtype.LeaseAcquired}, orgs: map[string]*desk{},
		mostOfKey: limits.LeaseWaitsOfBot, mostOfOrg: limits.LeaseWaitsOfOrg,
		keys: func(_ context.Context, it *eventlog.Item) []string {
			return []string{it.Event.GetLeaseAcquired().GetLease().GetId()}
		},
	}}
}

// leaseReads is what leaseService reads of the store.
type leaseReads interface {
	botsReader
	BotID(ctx context.Context, org, ref string) (string, error)
	LeaseClock(ctx context.Context, local int64) (int64, error)
	Lease(ctx context.Context, org, id string) (*store.NamedLease, error)
	Leases(ctx context.Context, q store.LeaseQuery) ([]store.NamedLease, error)
	LeasesIn(ctx context.Context, org string, now int64, places store.LeasePlaces) ([]store.NamedLease, error)
}

// leaseTx is what its changes need.
type leaseTx interface {
	eventTx
	auditTx
	accessTx
	botsReader
	LeaseClock(ctx context.Context, local int64) (int64, error)
	Lease(ctx context.Context, org, id string) (*store.NamedLease, error)
	LeasesIn(ctx context.Context, org string, now int64, places store.LeasePlaces) ([]store.NamedLease, error)
	CountLeases(ctx context.Context, org, bot string, now int64) (ofOrg, ofBot int64, err error)
	LeasesOf(ctx context.Context, bot string, limit int) ([]store.NamedLease, error)
	ExpiredLeases(ctx context.Context, org string, now int64, limit int) ([]store.NamedLease, error)
	PutLease(ctx context.Context, l *store.NamedLease) error
	ExtendLease(ctx context.Context, id string, ttl, until int64) error
	DeleteLease(ctx context.Context, id string) error
	LeaseWaits(ctx context.Context, org string, now int64, live store.Live, limit int) ([]store.LeaseWait, error)
	PutLeaseWait(ctx context.Context, w *store.LeaseWait) error
	DeleteLeaseWait(ctx context.Context, id string) error
	EndLeaseWaits(ctx context.Context, org string, now int64, live store.Live) (int64, error)
}

// RenewLease sets a new end of a lease of the caller (B2B-LEASE-010).
func (s *leaseService) RenewLease(ctx context.Context, req *b2bv1.RenewLeaseRequest) (*b2bv1.RenewLeaseResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx leaseTx) (*b2bv1.RenewLeaseResponse, error) {
		lease, now, err := s.heldLease(ctx, tx, req.GetId())
		if err != nil {
			return nil, err
		}
		if lease.BotID != caller.BotID {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "The lease belongs to another bot")
		}
		lease.TTL = leaseTTL(req.TtlSeconds, lease.TTL)
		lease.ExpiresAt = now + lease.TTL
		if err := tx.ExtendLease(ctx, lease.ID, lease.TTL, lease.ExpiresAt); err != nil {
			return nil, fmt.Errorf("extend a lease: %w", err)
		}
		return &b2bv1.RenewLeaseResponse{Lease: leaseMessage(lease, caller.BotName)}, nil
	})
}

// ReleaseLease ends a lease: the caller's, or for an admin any (B2B-LEASE-011).
func (s *leaseService) ReleaseLease(ctx context.Context, req *b2bv1.ReleaseLeaseRequest) (*b2bv1.ReleaseLeaseResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx leaseTx) (*b2bv1.ReleaseLeaseResponse, error) {
		lease, now, err := s.heldLease(ctx, tx, req.GetId())
		if err != nil {
			return nil, err
		}
		why := b2bv1.LeaseEnd_LEASE_END_RELEASED
		switch {
		case caller.Kind == call.Bot && lease.BotID == caller.BotID:
		case caller.Kind == call.Bot && !caller.Admin:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "The lease belongs to another bot")
		default:
			why = b2bv1.LeaseEnd_LEASE_END_REVOKED
			err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "lease.revoke", "lease", lease.ID,
				detail{"name": lease.Name, "holder": lease.BotID})
			if err != nil {
				return nil, err
			}
		}
		if err := s.endLease(ctx, tx, lease, why, caller.Actor()); err != nil {
			return nil, err
		}
		if err := s.grantWaits(ctx, tx, caller.OrgID, now); err != nil {
			return nil, err
		}
		return &b2bv1.ReleaseLeaseResponse{Released: true}, nil
	})
}

// leaseNow returns the time by the clock of leases, in Unix milliseconds.
func (c *core) leaseNow(ctx context.Context, r interface {
	LeaseClock(ctx context.Context, local int64) (int64, error)
}) (int64, error) {
	now, err := r.LeaseClock(ctx, c.nowMS())
	if err != nil {
		return 0, fmt.Errorf("read the clock of leases: %w", err)
	}
	return now, nil
}

// heldLease returns a lease that has not ended, and the time by the clock of leases.
func (s *leaseService) heldLease(ctx context.Context, tx leaseTx, id string) (*store.NamedLease, int64, error) {
	now, err := s.leaseNow(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	lease, err := tx.Lease(ctx, call.CallerOf(ctx).OrgID, id)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, 0, errLeaseLost()
		}
		return nil, 0, fmt.Errorf("read a lease: %w", err)
	}
	if lease.ExpiresAt <= now {
		return nil, 0, errLeaseLost()
	}
	return lease, now, nil
}

func errLeaseLost() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST, "The lease has ended: it expired, or was released or revoked").
		WithHint("Stop working on what it named, and take a new lease.")
}

// GetLease returns a lease that has not ended (B2B-LEASE-012).
func (s *leaseService) GetLease(ctx context.Context, req *b2bv1.GetLeaseRequest) (*b2bv1.GetLeaseResponse, error) {
	org := call.CallerOf(ctx).OrgID
	now, err := s.leaseNow(ctx, s.reads)
	if err != nil {
		return nil, err
	}
	lease, err := s.reads.Lease(ctx, org, req.GetId())
	if err != nil {
		return nil, notFound(err, "Lease")
	}
	if lease.ExpiresAt <= now {
		return nil, notFound(store.ErrNotFound, "Lease")
	}
	holder, err := holderName(ctx, s.reads, lease)
	if err != nil {
		return nil, err
	}
	return &b2bv1.GetLeaseResponse{Lease: leaseMessage(lease, holder)}, nil
}

// ListLeases lists the leases of the org by name (B2B-LEASE-012).
func (s *leaseService) ListLeases(ctx context.Context, req *b2bv1.ListLeasesRequest) (*b2bv1.ListLeasesResponse, error) {
	org, size := call.CallerOf(ctx).OrgID, pageSize(req.Limit)
	q := store.LeaseQuery{OrgID: org, Prefix: req.GetPrefix(), Limit: size + 1}
	if req.GetCursor() != "" {
		id, name, ok := strings.Cut(req.GetCursor(), "|")
		if !ok {
			return nil, call.Invalid("cursor: must be the id and the name of a lease, as in id|name")
		}
		q.After = &store.LeaseKey{Name: name, ID: id}
	}
	if req.GetBot() != "" {
		var err error
		if q.BotID, err = s.reads.BotID(ctx, org, req.GetBot()); err != nil {
			return nil, notFound(err, "Bot")
		}
	}
	now, err := s.leaseNow(ctx, s.reads)
	if err != nil {
		return nil, err
	}
	q.Now = now
	rows, err := s.listed(ctx, q, req.GetName())
	if err != nil {
		return nil, err
	}
	leases, more := page(rows, size)
	names, err := holderNames(ctx, s.reads, org, leases)
	if err != nil {
		return nil, err
	}
	out := &b2bv1.ListLeasesResponse{Items: make([]*b2bv1.Lease, len(leases))}
	for i := range leases {
		out.Items[i] = leaseMessage(&leases[i], names[leases[i].BotID])
	}
	if leases, out.Items, out.HasMore = cutToSize(s.core, leases, out.Items, more); out.HasMore {
		last := &leases[len(leases)-1]
		next := last.ID + "|" + last.Name
		out.Cursor = &next
	}
	return out, nil
}

// listed returns the leases of a query; with a name those that overlap it. An org has at most
// limits.LeasesOfOrg.
func (s *leaseService) listed(ctx context.Context, q store.LeaseQuery, overlapped string) ([]store.NamedLease, error) {
	if overlapped == "" {
		rows, err := s.reads.Leases(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list leases: %w", err)
		}
		return rows, nil
	}
	name, err := leasename.Parse(overlapped)
	if err != nil {
		return nil, call.Invalid("name: %s", err)
	}
	rows, err := s.reads.LeasesIn(ctx, q.OrgID, q.Now, places(name))
	if err != nil {
		return nil, fmt.Errorf("list the leases near a name: %w", err)
	}
	var found []store.NamedLease
	for i := range rows {
		if l := &rows[i]; selects(q, l) && overlap(name, l.Name) {
			if found = append(found, *l); len(found) == q.Limit {
				break
			}
		}
	}
	return found, nil
}

// selects reports whether a query selects a lease that has not ended.
func selects(q store.LeaseQuery, l *store.NamedLease) bool {
	after := q.After == nil || l.Name > q.After.Name || l.Name == q.After.Name && l.ID > q.After.ID
	return after && strings.HasPrefix(l.Name, q.Prefix) && (q.BotID == "" || q.BotID == l.BotID)
}

// botsReader finds bots by their ids.
type botsReader interface {
	BotsByID(ctx context.Context, org string, ids []string) ([]store.Bot, error)
}

// holderNames returns the names of the holders of leases of an org by their ids.
func holderNames(ctx context.Context, r botsReader, org string, leases []store.NamedLease) (map[string]string, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	ids := make([]string, len(leases))
	for i := range leases {
		ids[i] = leases[i].BotID
	}
	bots, err := r.BotsByID(ctx, org, ids)
	if err != nil {
		return nil, fmt.Errorf("read the holders of leases: %w", err)
	}
	names := make(map[string]string, len(bots))
	for i := range bots {
		names[bots[i].ID] = bots[i].Name
	}
	return names, nil
}

// holderName returns the name of the holder of a lease.
func holderName(ctx context.Context, r botsReader, lease *store.NamedLease) (string, error) {
	names, err := holderNames(ctx, r, lease.OrgID, []store.NamedLease{*lease})
	return names[lease.BotID], err
}

// leaseMessage returns the message of a lease.
func leaseMessage(l *store.NamedLease, holder string) *b2bv1.Lease {
	mode := b2bv1.LeaseMode_LEASE_MODE_EXCLUSIVE
	if l.Shared {
		mode = b2bv1.LeaseMode_LEASE_MODE_SHARED
	}
	return &b2bv1.Lease{
		Id: l.ID, Name: l.Name, Mode: mode, Holder: &b2bv1.LeaseHolder{Id: l.BotID, Name: holder}, Note: l.Note,
		Fence: l.Fence, AcquiredAt: stamp(l.AcquiredAt), ExpiresAt: stamp(l.ExpiresAt),
	}
}

// overlap reports whether a name overlaps that of a stored lease or wait.
func overlap(name leasename.Name, stored string) bool {
	other, err := leasename.Parse(stored)
	return err != nil || name.Overlaps(other) // one that a newer version stored excludes all
}

// places returns where leases may be that overlap a name.
func places(name leasename.Name) store.LeasePlaces {
	p := store.LeasePlaces{Heads: name.Heads()}
	if !name.Pattern() {
		return p
	}
	if head := name.Head(); head != "" {
		p.Low, p.High = head+"/", head+"0" // "0" follows "/"
	} else {
		p.Low, p.High = " ", leasename.AboveAll
	}
	return p
}

// leaseTTL returns how long a lease lasts, in milliseconds; usual if the request does not say.
func leaseTTL(seconds *int32, usual int64) int64 {
	if seconds == nil {
		return usual
	}
	return int64(*seconds) * 1000
}
