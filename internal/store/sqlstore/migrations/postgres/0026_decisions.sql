-- Decisions: questions of bots to bots and people. bots is a JSON array of those that may answer, with
-- their names; gives_back is the status that the thread of one that blocks gets when it is closed.
CREATE TABLE decisions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    thread_id TEXT COLLATE "C" REFERENCES threads (id) ON DELETE CASCADE,
    channel_id TEXT COLLATE "C" REFERENCES channels (id) ON DELETE CASCADE,
    asker_id TEXT COLLATE "C" NOT NULL,
    asker_name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    question TEXT COLLATE "C" NOT NULL,
    choices TEXT COLLATE "C" NOT NULL,
    default_answer TEXT COLLATE "C",
    bots TEXT COLLATE "C" NOT NULL,
    humans BOOLEAN NOT NULL,
    blocks BOOLEAN NOT NULL,
    gives_back TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C",
    answer TEXT COLLATE "C",
    comment TEXT COLLATE "C",
    closed_by TEXT COLLATE "C",
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
    decision_id TEXT COLLATE "C" NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    PRIMARY KEY (decision_id, bot_id)
);
CREATE INDEX decision_bots_by_bot ON decision_bots (bot_id);
