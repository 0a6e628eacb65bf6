-- How much the artifacts of a thread and of an org are, and what an org added on a day,
-- so that a quota need not add them up. Counted are the bytes of key, title, content,
-- language, url and media type of each version. Older days go with the next version.
CREATE TABLE artifact_sums (
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    versions BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (thread_id)
);
CREATE TABLE artifact_totals (
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (org_id)
);
CREATE TABLE artifact_days (
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    day BIGINT NOT NULL, -- of UTC, since 1970
    bytes BIGINT NOT NULL,
    PRIMARY KEY (org_id, day)
);
INSERT INTO artifact_sums (thread_id, versions, bytes)
SELECT thread_id, count(*), sum(octet_length(artifact_key) + coalesce(octet_length(title), 0) + coalesce(octet_length(content), 0) +
    coalesce(octet_length(language), 0) + coalesce(octet_length(url), 0) + coalesce(octet_length(mime_type), 0))
FROM artifacts GROUP BY thread_id;
INSERT INTO artifact_totals (org_id, bytes)
SELECT t.org_id, sum(s.bytes) FROM artifact_sums s JOIN threads t ON t.id = s.thread_id GROUP BY t.org_id;
INSERT INTO artifact_days (org_id, day, bytes)
SELECT t.org_id, a.created_at / 86400000, sum(octet_length(a.artifact_key) + coalesce(octet_length(a.title), 0) +
    coalesce(octet_length(a.content), 0) + coalesce(octet_length(a.language), 0) + coalesce(octet_length(a.url), 0) +
    coalesce(octet_length(a.mime_type), 0))
FROM artifacts a JOIN threads t ON t.id = a.thread_id GROUP BY 1, 2;
