-- Who does which job of upkeep, until when, and when it was finished last. A node that
-- dies holds its jobs no longer than that.
CREATE TABLE upkeep_jobs (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL,
    done_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX org_tickets_by_expiry ON org_tickets (expires_at);
CREATE INDEX orgs_ended ON orgs (id) WHERE status = 'destroyed';
