package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectLatestArtifact = read(onArtifacts, artifactOf+" ORDER BY version DESC LIMIT 1")
	selectFirstArtifact  = read(onArtifacts, artifactOf+" ORDER BY version ASC LIMIT 1")
	artifactOf           = "SELECT " + columns[store.Artifact]("") + " FROM artifacts WHERE thread_id = ? AND artifact_key = ?"
)

func (r reader) LatestArtifact(ctx context.Context, thread, key string) (*store.Artifact, error) {
	return one[store.Artifact](ctx, r, selectLatestArtifact, thread, key)
}

func (r reader) FirstArtifact(ctx context.Context, thread, key string) (*store.Artifact, error) {
	return one[store.Artifact](ctx, r, selectFirstArtifact, thread, key)
}

// artifactsBy lists artifacts a.
func artifactsBy(order string) listing {
	return listing{
		columns: columns[store.Artifact]("a."), long: "a.title, a.content, a.language, a.url, a.mime_type",
		from: " FROM artifacts a", order: order, key: "a.id", rejoin: "artifacts a ON a.id = k.key",
	}
}

// latestBy lists the latest version of each key of a thread, for keys above one. It looks for key
// after key, so that older versions are not read. Its arguments are the thread, the key, and those
// of bound, which may limit the number of keys.
func latestBy(order, bound string) *family {
	keys := func(inner, outer string) string {
		return ` FROM (WITH RECURSIVE keys (thread_id, name) AS (
			SELECT t.id, (SELECT min(f.artifact_key) FROM artifacts f WHERE f.thread_id = t.id AND f.artifact_key > ?) FROM (SELECT CAST(? AS TEXT) AS id) t
			UNION ALL SELECT keys.thread_id, (SELECT min(n.artifact_key) FROM artifacts n WHERE n.thread_id = keys.thread_id AND n.artifact_key > keys.name)
				FROM keys WHERE keys.name IS NOT NULL` + inner + ") SELECT thread_id, name FROM keys WHERE name IS NOT NULL" + outer + ") q CROSS JOIN "
	}
	l := artifactsBy(order)
	l.from = keys(bound, "") + `artifacts a ON a.id = (SELECT v.id FROM artifacts v WHERE v.thread_id = q.thread_id AND v.artifact_key = q.name ORDER BY v.version DESC LIMIT 1)`
	l.fromPostgres = keys("", bound) + `LATERAL (SELECT * FROM artifacts v WHERE v.thread_id = q.thread_id AND v.artifact_key = q.name ORDER BY v.version DESC LIMIT 1) a`
	return l.of(onArtifacts, "", "(a.created_at, a.artifact_key) > (?, ?)")
}

var (
	artifactsByAge   = latestBy("a.created_at, a.artifact_key", "")
	artifactsByKey   = latestBy("a.artifact_key", " LIMIT ? + 0")
	artifactVersions = artifactsBy("a.version").of(onArtifacts, "a.thread_id = ? AND a.artifact_key = ? AND a.version > ?")
)

func (r reader) Artifacts(ctx context.Context, thread string, after *store.PageKey, limit int) ([]store.Artifact, error) {
	return listed[store.Artifact](ctx, r, artifactsByAge.choose("", thread).page(after), limit)
}

func (r reader) ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]store.Artifact, error) {
	return listed[store.Artifact](ctx, r, artifactsByKey.choose(afterKey, thread, max(limit, 0)), limit)
}

func (r reader) ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]store.Artifact, error) {
	return listed[store.Artifact](ctx, r, artifactVersions.choose(thread, key, afterVersion), limit)
}

var forgetArtifactDays = remove(onArtifactDays, "DELETE FROM artifact_days WHERE org_id = ? AND day < ?")

func (t *tx) InsertArtifact(ctx context.Context, a *store.Artifact) error {
	if err := putNow(ctx, t, insertArtifacts.one, a); err != nil {
		return err
	}
	if err := t.countArtifacts(ctx, a.ThreadID, 1, a.Bytes()); err != nil {
		return err
	}
	if err := t.countArtifactDay(ctx, a.ThreadID, a.CreatedAt/dayMS, a.Bytes()); err != nil {
		return err
	}
	return t.c.exec(ctx, forgetArtifactDays, t.org, a.CreatedAt/dayMS-1)
}

// ofOrg selects the org of a thread, and a number that is its first argument.
const ofOrg = "SELECT org_id, CAST(? AS BIGINT) FROM threads WHERE id = ?"

var countArtifactsOfThread = insert(onArtifactSums, `INSERT INTO artifact_sums (thread_id, versions, bytes) VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE
		SET versions = artifact_sums.versions + excluded.versions, bytes = artifact_sums.bytes + excluded.bytes`)

var countArtifactsOfOrg = insert(onArtifactTotals, "INSERT INTO artifact_totals (org_id, bytes) "+ofOrg+
	" ON CONFLICT (org_id) DO UPDATE SET bytes = artifact_totals.bytes + excluded.bytes").reading(onThreads)

// countArtifacts adds to the sums of a thread and its org.
func (t *tx) countArtifacts(ctx context.Context, thread string, versions, bytes int64) error {
	err := t.c.exec(ctx, countArtifactsOfThread, thread, versions, bytes)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, countArtifactsOfOrg, bytes, thread)
}

var countArtifactDay = insert(onArtifactDays, `INSERT INTO artifact_days (org_id, day, bytes) SELECT org_id, CAST(? AS BIGINT), CAST(? AS BIGINT)
		FROM threads WHERE id = ? ON CONFLICT (org_id, day) DO UPDATE SET bytes = artifact_days.bytes + excluded.bytes`).reading(onThreads)

// countArtifactDay adds to the sum of the org of a thread for a day. The day before is kept,
// because the clocks of nodes differ around midnight.
func (t *tx) countArtifactDay(ctx context.Context, thread string, day, bytes int64) error {
	return t.c.exec(ctx, countArtifactDay, day, bytes, thread)
}

// countImportedArtifacts counts imported versions. Those of the newest day, which may be
// today, also count to the sum of that day.
func (t *tx) countImportedArtifacts(ctx context.Context, all []store.Artifact) error {
	type sum struct{ versions, bytes, newest int64 }
	sums := make(map[string]*sum)
	day := int64(0)
	for i := range all {
		day = max(day, all[i].CreatedAt/dayMS)
	}
	var threads []string
	for i := range all {
		a := &all[i]
		s := sums[a.ThreadID]
		if s == nil {
			s = new(sum)
			sums[a.ThreadID] = s
			threads = append(threads, a.ThreadID)
		}
		s.versions++
		s.bytes += a.Bytes()
		if a.CreatedAt/dayMS == day {
			s.newest += a.Bytes()
		}
	}
	for _, thread := range threads {
		s := sums[thread]
		if err := t.countArtifacts(ctx, thread, s.versions, s.bytes); err != nil {
			return err
		}
		if s.newest == 0 {
			continue
		}
		if err := t.countArtifactDay(ctx, thread, day, s.newest); err != nil {
			return err
		}
	}
	return nil
}

var selectArtifactUse = read(onArtifactSums|onArtifactTotals|onArtifactDays, `SELECT coalesce((SELECT versions FROM artifact_sums WHERE thread_id = ?), 0), coalesce((SELECT bytes FROM artifact_sums WHERE thread_id = ?), 0),
		coalesce((SELECT bytes FROM artifact_totals WHERE org_id = ?), 0), coalesce((SELECT bytes FROM artifact_days WHERE org_id = ? AND day = ?), 0)`)

func (r reader) ArtifactUse(ctx context.Context, org, thread string, at int64) (u store.ArtifactUse, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&u.Versions, &u.ThreadBytes, &u.OrgBytes, &u.DayBytes) },
		selectArtifactUse,
		thread, thread, org, org, at/dayMS)
	return u, err
}

// artifactBytes is Artifact.Bytes in SQL.
const artifactBytes = `octet_length(artifact_key) + coalesce(octet_length(title), 0) + coalesce(octet_length(content), 0) +
	coalesce(octet_length(language), 0) + coalesce(octet_length(url), 0) + coalesce(octet_length(mime_type), 0)`

var (
	whichArtifacts     = " FROM artifacts WHERE " + anyOf("id") + terminal("artifacts")
	selectArtifactSums = read(onArtifacts|onThreads,
		"SELECT thread_id, count(*), CAST(sum("+artifactBytes+") AS BIGINT)"+whichArtifacts+" GROUP BY thread_id")
	deleteArtifacts = remove(onArtifacts, "DELETE"+whichArtifacts).reading(onThreads)
)

// DeleteArtifacts also subtracts the versions from the sums of the quotas.
func (t *tx) DeleteArtifacts(ctx context.Context, ids []string) (int64, error) {
	arg, err := jsonList(ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	type sum struct {
		thread          string
		versions, bytes int64
	}
	sums, err := scanner[sum](func(rows rowSet, s *sum) error { return rows.Scan(&s.thread, &s.versions, &s.bytes) }).list(ctx, t.reader,
		selectArtifactSums, arg)
	if err != nil {
		return 0, err
	}
	for _, s := range sums {
		if err := t.countArtifacts(ctx, s.thread, -s.versions, -s.bytes); err != nil {
			return 0, err
		}
	}
	return t.c.execNow(ctx, deleteArtifacts, arg)
}
