-- What connections need on every node: the tickets that open them, and which bots
-- have one. A ticket lives for seconds, so nothing cleans up after an organisation.

CREATE TABLE ws_tickets (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C",
    session_hash TEXT COLLATE "C",
    expires_at BIGINT NOT NULL
);
CREATE INDEX ws_tickets_by_expiry ON ws_tickets (expires_at);

CREATE TABLE presence (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    node_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, node_id)
);
CREATE INDEX presence_by_node ON presence (node_id);
CREATE INDEX presence_by_expiry ON presence (expires_at);
