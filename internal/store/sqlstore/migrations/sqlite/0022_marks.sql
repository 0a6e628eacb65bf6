-- What a sender says of its message: that no person and no model wrote it, and that it wants no answer.
ALTER TABLE channel_messages ADD COLUMN automatic BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE channel_messages ADD COLUMN no_reply BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE thread_messages ADD COLUMN automatic BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE thread_messages ADD COLUMN no_reply BOOLEAN NOT NULL DEFAULT FALSE;
