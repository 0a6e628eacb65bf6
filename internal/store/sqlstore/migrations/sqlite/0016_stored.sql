-- How many bytes the changes of an org stored on the latest day of UTC (since 1970) on which
-- they stored any, and how many of these changes that were no short messages. They are beside
-- the end of the log, which a batch of changes reads and writes anyway.
ALTER TABLE org_logs ADD COLUMN stored_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN stored_all BIGINT NOT NULL DEFAULT 0;
ALTER TABLE org_logs ADD COLUMN stored_bulk BIGINT NOT NULL DEFAULT 0;
