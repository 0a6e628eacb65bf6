-- The places to which the states of A2A tasks are posted. sealed has the address and its secrets.
-- One node at a time reads the log for each, from seq on.
CREATE TABLE push_configs (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    config_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    failures BIGINT NOT NULL,
    CONSTRAINT push_configs_config UNIQUE (thread_id, config_id)
);
CREATE INDEX push_configs_by_bot ON push_configs (bot_id);
CREATE INDEX push_configs_by_org ON push_configs (org_id, id);

CREATE TABLE push_leases (
    push_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES push_configs (id) ON DELETE CASCADE,
    node_id TEXT COLLATE "C" NOT NULL
);
CREATE INDEX push_leases_by_node ON push_leases (node_id);
