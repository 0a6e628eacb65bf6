-- The places to which the states of A2A tasks are posted. sealed has the address and its secrets.
-- One node at a time reads the log for each, from seq on.
CREATE TABLE push_configs (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    config_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    failures BIGINT NOT NULL,
    CONSTRAINT push_configs_config UNIQUE (thread_id, config_id)
) WITHOUT ROWID;
CREATE INDEX push_configs_by_bot ON push_configs (bot_id);
CREATE INDEX push_configs_by_org ON push_configs (org_id, id);

CREATE TABLE push_leases (
    push_id TEXT NOT NULL PRIMARY KEY REFERENCES push_configs (id) ON DELETE CASCADE,
    node_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX push_leases_by_node ON push_leases (node_id);
