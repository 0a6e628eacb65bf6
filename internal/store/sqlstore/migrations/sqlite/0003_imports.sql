-- What was brought over from another system: one row for each organisation, and one
-- with an empty scope for the platform. DeleteOrg removes that of an organisation.

CREATE TABLE imports (
    scope TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    last_audit TEXT NOT NULL,
    detail TEXT NOT NULL
);
