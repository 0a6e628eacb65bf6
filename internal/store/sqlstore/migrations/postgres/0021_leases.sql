-- Leases on named things. head is the part of the name before its first star, by which leases that
-- overlap are found; it is the whole name if it has none.
CREATE TABLE leases (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    head TEXT COLLATE "C" NOT NULL,
    shared BOOLEAN NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    note TEXT COLLATE "C",
    fence BIGINT NOT NULL,
    ttl BIGINT NOT NULL,
    acquired_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX leases_by_name ON leases (org_id, name, id);
CREATE INDEX leases_by_head ON leases (org_id, head);
CREATE INDEX leases_by_bot ON leases (bot_id);
CREATE INDEX leases_by_end ON leases (expires_at);

-- Calls that wait for a lease, in the order of place. id is that of the lease that the call gets. A
-- row counts until until, and only while its node is live.
CREATE TABLE lease_waits (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    head TEXT COLLATE "C" NOT NULL,
    shared BOOLEAN NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    note TEXT COLLATE "C",
    ttl BIGINT NOT NULL,
    place BIGINT NOT NULL,
    node_id TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX lease_waits_by_place ON lease_waits (org_id, place);
CREATE INDEX lease_waits_by_bot ON lease_waits (bot_id);
CREATE INDEX lease_waits_by_node ON lease_waits (node_id);
CREATE INDEX lease_waits_by_end ON lease_waits (until);
