-- Webhooks read the log: a cursor for each says how far, a lease which node reads. What
-- was not delivered at the first attempt waits, or is a dead letter (next_at null);
-- the event itself stays in the log.

CREATE INDEX bots_with_webhook ON bots (id) WHERE webhook_url <> '';

CREATE TABLE webhook_cursors (
    bot_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    org_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL
);
CREATE INDEX webhook_cursors_by_org ON webhook_cursors (org_id, seq);

CREATE TABLE webhook_leases (
    bot_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    node_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX webhook_leases_by_node ON webhook_leases (node_id);

CREATE TABLE webhook_deliveries (
    id TEXT COLLATE "C" NOT NULL,
    org_id TEXT COLLATE "C" NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    updated_at BIGINT NOT NULL,
    status BIGINT,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (bot_id, seq)
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (bot_id, next_at, seq);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (org_id, seq);
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (org_id, updated_at, id) WHERE next_at IS NULL;
