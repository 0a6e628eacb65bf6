-- What is known of uploaded files, whose bytes are kept elsewhere, and the id that
-- marks those bytes as this database's.

CREATE TABLE files (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    uploader_id TEXT COLLATE "C" REFERENCES bots (id) ON DELETE SET NULL,
    name TEXT COLLATE "C" NOT NULL,
    mime_type TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX files_by_day ON files (org_id, created_at, uploader_id, size);
CREATE INDEX files_by_uploader ON files (uploader_id) WHERE uploader_id IS NOT NULL;

CREATE TABLE installation (
    place INTEGER NOT NULL PRIMARY KEY CHECK (place = 1),
    id TEXT COLLATE "C" NOT NULL
);
