-- Failed logins are counted by what they have in common, on all nodes together.

CREATE TABLE login_failures (
    key TEXT NOT NULL PRIMARY KEY,
    failed BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX login_failures_by_end ON login_failures (ends_at);
