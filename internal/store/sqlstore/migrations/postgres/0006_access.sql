-- The seq of the last event that changed who may do what: what a node remembers of
-- credentials is good for as long as this stands still.
ALTER TABLE org_logs ADD COLUMN access_seq BIGINT NOT NULL DEFAULT 0;
