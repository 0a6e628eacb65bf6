-- How many bytes were uploaded on a day, so that a quota need not add up files.
-- Yesterday's rows go with the next upload of the org.
CREATE TABLE upload_days (
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    day BIGINT NOT NULL, -- of UTC, since 1970
    uploader_id TEXT NOT NULL, -- empty: nobody's; the bot may be deleted
    bytes BIGINT NOT NULL,
    PRIMARY KEY (org_id, day, uploader_id)
) WITHOUT ROWID;
INSERT INTO upload_days (org_id, day, uploader_id, bytes)
SELECT org_id, created_at / 86400000, coalesce(uploader_id, ''), sum(size) FROM files GROUP BY 1, 2, 3;
