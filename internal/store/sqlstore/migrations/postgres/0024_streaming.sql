-- On which nodes bots have streams of events. A row counts until the lease of its node ends.
CREATE TABLE streaming (
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    PRIMARY KEY (bot_id, node_id)
);
CREATE INDEX streaming_by_node ON streaming (node_id);
