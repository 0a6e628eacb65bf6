-- What bots sent to a thread since its last progress, its own limit (0: none, NULL: that of the
-- org), and the limits of the org (NULL: none).
ALTER TABLE threads ADD COLUMN turns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE threads ADD COLUMN turn_limit BIGINT;
ALTER TABLE org_settings ADD COLUMN thread_turn_limit BIGINT;
ALTER TABLE org_settings ADD COLUMN thread_messages_per_hour_per_bot BIGINT;
