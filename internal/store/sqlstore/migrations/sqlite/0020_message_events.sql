-- The event of a message without parts names the message instead of repeating it. When retention
-- deletes the message, the event gets its content in body; event_seq finds the event. Older events
-- have the whole message in their payload, and no message_id.
ALTER TABLE event_log ADD COLUMN message_id BLOB;
ALTER TABLE event_log ADD COLUMN body TEXT;
ALTER TABLE channel_messages ADD COLUMN event_seq BIGINT;
ALTER TABLE thread_messages ADD COLUMN event_seq BIGINT;
