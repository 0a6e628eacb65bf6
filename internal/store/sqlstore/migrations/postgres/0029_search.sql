-- The search index. It is made of the log and of what that names, and can be made anew at any time
-- (b2b reindex). No foreign keys: EmptyOrg removes the rows.

-- How far the index of an org is.
CREATE TABLE search_state (
    org_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    docs BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL
);

-- What the numbers of documents stand for. Of a thread or bot (kinds 3 and 5), which changes, there
-- is one document.
CREATE TABLE search_docs (
    org_id TEXT COLLATE "C" NOT NULL,
    doc BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org_id, doc)
);
CREATE INDEX search_docs_replaced ON search_docs (id) WHERE kind IN (3, 5);

-- The parts of the index, each of a range of documents, and their tokens with the documents of each:
-- a row has many tokens, in order.
CREATE TABLE search_segments (
    segment BIGINT NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL,
    first_doc BIGINT NOT NULL,
    last_doc BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    min_at BIGINT NOT NULL,
    max_at BIGINT NOT NULL,
    live BOOLEAN NOT NULL
);
CREATE INDEX search_segments_by_org ON search_segments (org_id, first_doc);
CREATE TABLE search_pages (
    segment BIGINT NOT NULL,
    first_token TEXT COLLATE "C" NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (segment, first_token)
);

-- Which threads and channels refer to a file.
CREATE TABLE search_refs (
    org_id TEXT COLLATE "C" NOT NULL,
    file_id TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, file_id, scope_id)
);

-- What is to be indexed while an index is made anew.
CREATE TABLE search_todo (
    org_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, at, kind, id)
);

-- The numbers of segments.
CREATE SEQUENCE search_segment_numbers;
