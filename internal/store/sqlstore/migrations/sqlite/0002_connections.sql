-- What connections need on every node: the tickets that open them, and which bots
-- have one. A ticket lives for seconds, so nothing cleans up after an organisation.

CREATE TABLE ws_tickets (
    hash TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    token_hash TEXT,
    session_hash TEXT,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX ws_tickets_by_expiry ON ws_tickets (expires_at);

CREATE TABLE presence (
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, node_id)
) WITHOUT ROWID;
CREATE INDEX presence_by_node ON presence (node_id);
CREATE INDEX presence_by_expiry ON presence (expires_at);
