-- Of deliveries of messages that asked for receipts: the bot that sent it, and the message.
ALTER TABLE deliveries ADD COLUMN sender_id TEXT;
ALTER TABLE deliveries ADD COLUMN message_id TEXT;
-- Those that wait, of which there are few.
CREATE INDEX deliveries_waiting_reported ON deliveries (scope_id) WHERE state = 3 AND sender_id IS NOT NULL;
-- Whether scope_id is a channel. Older rows of direct messages have FALSE, too.
ALTER TABLE deliveries ADD COLUMN in_channel BOOLEAN NOT NULL DEFAULT FALSE;
