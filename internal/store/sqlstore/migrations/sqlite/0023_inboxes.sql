-- The inboxes of bots that use them. Events with a higher seq than opened_seq are delivered.
CREATE TABLE inboxes (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    opened_seq BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX inboxes_by_org ON inboxes (org_id);

-- Up to which seq the events of an org are in the inboxes of its bots.
CREATE TABLE inbox_positions (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL
) WITHOUT ROWID;

-- The deliveries that are not done. scope_id is the thread or the channel of the event ('': none).
-- state: 1 queued, 2 leased, 3 waiting, 4 failed, 5 dead. due is when a queued one may be handed out
-- (0: at once), a lease ends, or a waiting one is queued.
CREATE TABLE deliveries (
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    org_id TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    kind BIGINT NOT NULL,
    state BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    due BIGINT NOT NULL,
    lease TEXT,
    progress TEXT,
    waits_for BIGINT NOT NULL,
    reason TEXT,
    PRIMARY KEY (bot_id, seq)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_state ON deliveries (bot_id, state, seq);
CREATE INDEX deliveries_by_scope ON deliveries (bot_id, scope_id, state, seq);
CREATE INDEX deliveries_by_due ON deliveries (due, org_id) WHERE state IN (2, 3);

-- The threads and channels with deliveries of a bot. head is the first that is queued (null: none),
-- ready_at is when it may be handed out, one at a time (0: at once), settled_at the time of the event
-- that was settled last.
CREATE TABLE inbox_scopes (
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    scope_id TEXT NOT NULL,
    head BIGINT,
    ready_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, scope_id)
) WITHOUT ROWID;
CREATE INDEX inbox_scopes_ready ON inbox_scopes (bot_id, ready_at, head) WHERE head IS NOT NULL;

-- How often a delivery is handed out before it is dead; null: five times.
ALTER TABLE org_settings ADD COLUMN delivery_attempts BIGINT;
