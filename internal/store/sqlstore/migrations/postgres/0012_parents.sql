-- The scoped token that another token was made with, and the one that a session was
-- opened with: both end with it. NULL for what comes from the primary token, and in rows
-- that are older than these columns.
ALTER TABLE bot_tokens ADD COLUMN parent_id TEXT COLLATE "C";
ALTER TABLE sessions ADD COLUMN token_id TEXT COLLATE "C";
-- Of a super admin's session: the mark of the admin secret that opened it.
ALTER TABLE sessions ADD COLUMN secret_mark TEXT COLLATE "C";
CREATE INDEX bot_tokens_by_parent ON bot_tokens (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_by_token ON sessions (token_id) WHERE token_id IS NOT NULL;
