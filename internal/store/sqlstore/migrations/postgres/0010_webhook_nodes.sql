-- The nodes that serve webhooks: each takes its share of them.
CREATE TABLE webhook_nodes (
    node_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
