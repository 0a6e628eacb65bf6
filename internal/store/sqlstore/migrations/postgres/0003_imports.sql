-- What was brought over from another system: one row for each organisation, and one
-- with an empty scope for the platform. DeleteOrg removes that of an organisation.

CREATE TABLE imports (
    scope TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,
    imported_at BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    last_audit TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL
);
