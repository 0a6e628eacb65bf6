-- What a catch-up needs in order to count events without reading them. The writers of events add
-- to these tables later, for many events at once (org_logs.indexed_seq is the last of them); a
-- reader adds what the log has behind that. No foreign keys: EmptyOrg and PruneLog remove the rows.

-- The streams of a log: the events of one type in a thread, a channel, or for a bot, of one party.
-- The party of an event is the bot that it counts for: the author of a message or an artifact,
-- else the bot that it is about ('': none, or not known). A stream has the number of its first
-- event.
CREATE TABLE log_streams (
    org_id TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    type TEXT NOT NULL,
    party TEXT NOT NULL,
    stream BIGINT NOT NULL,
    PRIMARY KEY (org_id, scope_id, type, party)
) WITHOUT ROWID;

-- The events of streams. ordinal rises by one from event to event of a stream: so the number of
-- those between two of them is a difference.
CREATE TABLE log_index (
    org_id TEXT NOT NULL,
    stream BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org_id, stream, seq)
) WITHOUT ROWID;

-- The last event of each type in a thread, a channel, or for a bot, and the last one of another
-- party than that event's (0: none). Of imported rows, which are not in the order of their times,
-- at is the newest time.
CREATE TABLE log_heads (
    org_id TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    type TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    party TEXT NOT NULL,
    other_seq BIGINT NOT NULL,
    other_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, scope_id, type)
) WITHOUT ROWID;

-- A run is a part of the log in which the time of an event is at most skew older than that of one
-- before it: clocks differ, and are set back. The current run is in org_logs: its first seq (0:
-- none), its newest time, its skew, and the newest time of earlier runs. Imported rows at the
-- beginning of the log are in none.
CREATE TABLE log_runs (
    org_id TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    newest_at BIGINT NOT NULL,
    skew BIGINT NOT NULL,
    PRIMARY KEY (org_id, first_seq)
) WITHOUT ROWID;
ALTER TABLE org_logs ADD COLUMN indexed_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN run_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN skew BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN ahead_at BIGINT NOT NULL DEFAULT 0;
UPDATE org_logs SET indexed_seq = coalesce((SELECT e.seq - 1 FROM event_log e WHERE e.org_id = org_logs.org_id ORDER BY e.seq LIMIT 1), last_seq);

-- It cost each event more than log_index, which replaces it.
DROP INDEX event_log_by_scope;

-- Memberships that ended within a catch-up are found without those that ended before.
CREATE INDEX membership_history_by_end ON membership_history (bot_id, left_seq);
