-- When a worker of the bot claimed last, exact to half a minute; 0: not since there is this column.
ALTER TABLE inboxes ADD COLUMN claimed_at BIGINT NOT NULL DEFAULT 0;
