-- Decisions: questions of bots to bots and people. bots is a JSON array of those that may answer, with
-- their names; gives_back is the status that the thread of one that blocks gets when it is closed.
CREATE TABLE decisions (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    thread_id TEXT REFERENCES threads (id) ON DELETE CASCADE,
    channel_id TEXT REFERENCES channels (id) ON DELETE CASCADE,
    asker_id TEXT NOT NULL,
    asker_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    question TEXT NOT NULL,
    choices TEXT NOT NULL,
    default_answer TEXT,
    bots TEXT NOT NULL,
    humans BOOLEAN NOT NULL,
    blocks BOOLEAN NOT NULL,
    gives_back TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    answer TEXT,
    comment TEXT,
    closed_by TEXT,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT,
    closed_at BIGINT
);
CREATE INDEX decisions_by_org ON decisions (org_id, asked_at, id);
CREATE INDEX decisions_by_thread ON decisions (thread_id, asked_at, id) WHERE thread_id IS NOT NULL;
CREATE INDEX decisions_by_channel ON decisions (channel_id, asked_at, id) WHERE channel_id IS NOT NULL;
CREATE INDEX decisions_by_asker ON decisions (asker_id, asked_at, id);
CREATE INDEX decisions_by_close ON decisions (org_id, closed_at);
-- Of open ones there are few.
CREATE INDEX decisions_open ON decisions (org_id, asked_at, id) WHERE status = 'open';
CREATE INDEX decisions_open_in ON decisions (thread_id) WHERE status = 'open';
CREATE INDEX decisions_open_of ON decisions (asker_id) WHERE status = 'open';
CREATE INDEX decisions_open_until ON decisions (expires_at) WHERE status = 'open';

-- The bots that may answer a decision that is open.
CREATE TABLE decision_bots (
    decision_id TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    PRIMARY KEY (decision_id, bot_id)
) WITHOUT ROWID;
CREATE INDEX decision_bots_by_bot ON decision_bots (bot_id);
