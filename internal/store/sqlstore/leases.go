package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/leasename"
	"github.com/b2b-protocol/b2b/internal/store"
)

var leaseClock = controlOf(forPostgres, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")

func (r reader) LeaseClock(ctx context.Context, local int64) (int64, error) {
	if r.d.database == forSQLite {
		return local, nil
	}
	return value[int64](ctx, r, leaseClock)
}

var selectLeases = "SELECT " + columns[store.NamedLease]("") + " FROM leases"

var selectLease = read(onLeases, selectLeases+" WHERE org_id = ? AND id = ?")

func (r reader) Lease(ctx context.Context, org, id string) (*store.NamedLease, error) {
	return one[store.NamedLease](ctx, r, selectLease, org, id)
}

var leases = readBetween(onLeases, selectLeases,
	" ORDER BY name, id LIMIT ? + 0", "org_id = ? AND expires_at > ?", []string{
		leasesWith:  "name >= ? AND name < ?",
		leasesOfBot: "bot_id = ?",
		leasesAfter: "(name, id) > (?, ?)",
	}...)

// The conditions of leases.
const (
	leasesWith = iota
	leasesOfBot
	leasesAfter
)

func (r reader) Leases(ctx context.Context, q store.LeaseQuery) ([]store.NamedLease, error) {
	c := leases.choose(q.OrgID, q.Now)
	if q.Prefix != "" {
		c.and(leasesWith, q.Prefix, q.Prefix+leasename.AboveAll)
	}
	if q.BotID != "" {
		c.and(leasesOfBot, q.BotID)
	}
	if q.After != nil {
		c.and(leasesAfter, q.After.Name, q.After.ID)
	}
	return paged[store.NamedLease](ctx, r, c, q.Limit)
}

// Two parts, since a range of heads never has one of the list. Not in order: SQLite would read all
// leases of the org by name.
var selectLeasesIn = read(onLeases, "SELECT * FROM ("+selectLeases+" WHERE org_id = ? AND "+anyOf("head")+
	" UNION ALL "+selectLeases+" WHERE org_id = ? AND head >= ? AND head < ?) l WHERE expires_at > ?")

func (r reader) LeasesIn(ctx context.Context, org string, now int64, places store.LeasePlaces) ([]store.NamedLease, error) {
	heads, err := jsonList(append([]string{}, places.Heads...))
	if err != nil {
		return nil, err
	}
	found, err := list[store.NamedLease](ctx, r, selectLeasesIn, org, heads, org, places.Low, places.High, now)
	slices.SortFunc(found, func(a, b store.NamedLease) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return found, err
}

var selectLeasesEnded = read(onLeases|onLeaseWaits, `SELECT org_id FROM (SELECT org_id FROM leases WHERE expires_at <= ? AND org_id > ?
	UNION SELECT org_id FROM lease_waits WHERE until <= ? AND org_id > ?) o ORDER BY org_id LIMIT ? + 0`)

func (r reader) LeasesEnded(ctx context.Context, now int64, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectLeasesEnded, now, after, now, after, max(limit, 0))
}

var countLeases = read(onLeases, `SELECT count(*), coalesce(sum(CASE WHEN bot_id = ? THEN 1 ELSE 0 END), 0)
	FROM leases WHERE org_id = ? AND expires_at > ?`)

func (t *tx) CountLeases(ctx context.Context, org, bot string, now int64) (ofOrg, ofBot int64, err error) {
	err = each(ctx, t.reader, func(rows rowSet) error { return rows.Scan(&ofOrg, &ofBot) }, countLeases, bot, org, now)
	return ofOrg, ofBot, err
}

var selectLeasesOf = read(onLeases, selectLeases+" WHERE bot_id = ? ORDER BY id LIMIT ? + 0")

func (t *tx) LeasesOf(ctx context.Context, bot string, limit int) ([]store.NamedLease, error) {
	return list[store.NamedLease](ctx, t.reader, selectLeasesOf, bot, max(limit, 0))
}

var selectExpiredLeases = read(onLeases, selectLeases+" WHERE expires_at <= ? AND org_id = ? ORDER BY expires_at, id LIMIT ? + 0")

func (t *tx) ExpiredLeases(ctx context.Context, org string, now int64, limit int) ([]store.NamedLease, error) {
	return list[store.NamedLease](ctx, t.reader, selectExpiredLeases, now, org, max(limit, 0))
}

var putLease = insertRow[store.NamedLease](onLeases, "")

func (t *tx) PutLease(ctx context.Context, l *store.NamedLease) error {
	return put(ctx, t, putLease, l)
}

var extendLease = update(onLeases, "UPDATE leases SET ttl = ?, expires_at = ? WHERE id = ?")

func (t *tx) ExtendLease(ctx context.Context, id string, ttl, until int64) error {
	return t.c.exec(ctx, extendLease, ttl, until, id)
}

var deleteLease = remove(onLeases, "DELETE FROM leases WHERE id = ?")

func (t *tx) DeleteLease(ctx context.Context, id string) error { return t.c.exec(ctx, deleteLease, id) }

var (
	counting         = "until > ? AND " + onLiveNode("lease_waits.node_id")
	selectLeaseWaits = read(onLeaseWaits|onNodes, "SELECT "+columns[store.LeaseWait]("")+" FROM lease_waits WHERE org_id = ? AND "+counting+
		" ORDER BY place LIMIT ? + 0")
	endLeaseWaits = remove(onLeaseWaits, "DELETE FROM lease_waits WHERE org_id = ? AND NOT ("+counting+")").reading(onNodes)
)

func (t *tx) LeaseWaits(ctx context.Context, org string, now int64, live store.Live, limit int) ([]store.LeaseWait, error) {
	return list[store.LeaseWait](ctx, t.reader, selectLeaseWaits, org, now, live.Now, live.Latest, max(limit, 0))
}

func (t *tx) EndLeaseWaits(ctx context.Context, org string, now int64, live store.Live) (int64, error) {
	return t.c.execNow(ctx, endLeaseWaits, org, now, live.Now, live.Latest)
}

var putLeaseWait = insertRow[store.LeaseWait](onLeaseWaits, ` ON CONFLICT (id) DO UPDATE SET note = excluded.note, ttl = excluded.ttl,
	node_id = excluded.node_id, until = excluded.until`)

func (t *tx) PutLeaseWait(ctx context.Context, w *store.LeaseWait) error {
	return put(ctx, t, putLeaseWait, w)
}

var deleteLeaseWait = remove(onLeaseWaits, "DELETE FROM lease_waits WHERE id = ?")

func (t *tx) DeleteLeaseWait(ctx context.Context, id string) error {
	return t.c.exec(ctx, deleteLeaseWait, id)
}
