-- The messages that shall be acknowledged until due_at. overdue_at is null until it is known that one is
-- not, check_at is when that is looked at (again).
CREATE TABLE ack_deadlines (
    message_id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    sender_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    thread_id TEXT REFERENCES threads (id) ON DELETE CASCADE,
    channel_id TEXT REFERENCES channels (id) ON DELETE CASCADE,
    escalate_to TEXT,
    due_at BIGINT NOT NULL,
    overdue_at BIGINT,
    check_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX ack_deadlines_by_check ON ack_deadlines (check_at, org_id);
CREATE INDEX ack_deadlines_by_org ON ack_deadlines (org_id, overdue_at, message_id);
CREATE INDEX ack_deadlines_by_sender ON ack_deadlines (sender_id, overdue_at, message_id);
CREATE INDEX ack_deadlines_by_thread ON ack_deadlines (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX ack_deadlines_by_channel ON ack_deadlines (channel_id) WHERE channel_id IS NOT NULL;
