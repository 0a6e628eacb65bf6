-- The first schema. Times are Unix milliseconds, ids opaque text, JSON is text.
-- Tables without a foreign key where one seems due say why.

CREATE TABLE orgs (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    persist_messages BOOLEAN NOT NULL DEFAULT TRUE,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'destroyed')),
    join_approval_required BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);
CREATE INDEX orgs_by_age ON orgs (created_at, id);

CREATE TABLE org_settings (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    messages_per_minute_per_bot BIGINT NOT NULL,
    threads_per_hour_per_bot BIGINT NOT NULL,
    file_upload_mb_per_day_per_bot BIGINT NOT NULL,
    message_ttl_days BIGINT,
    thread_auto_close_days BIGINT,
    artifact_retention_days BIGINT,
    default_thread_permission_policy TEXT,
    updated_at BIGINT NOT NULL
);

-- The log. event_log has no foreign key: it is the hottest table, and DeleteOrg
-- empties it.
CREATE TABLE org_logs (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    epoch TEXT NOT NULL,
    last_seq BIGINT NOT NULL,
    -- Raised by every change of the organisation on PostgreSQL: a node whose last
    -- change it still names knows that nobody else has written since.
    version BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE event_log (
    org_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    type TEXT NOT NULL,
    audience SMALLINT NOT NULL,
    thread_id TEXT,
    channel_id TEXT,
    bot_id TEXT,
    actor_id TEXT,
    payload BLOB NOT NULL,
    PRIMARY KEY (org_id, seq)
) WITHOUT ROWID;

CREATE TABLE invite_codes (
    id TEXT NOT NULL PRIMARY KEY,
    code_hash TEXT NOT NULL CONSTRAINT invite_codes_hash UNIQUE,
    code TEXT,
    label TEXT,
    max_uses BIGINT NOT NULL,
    use_count BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE org_tickets (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    code TEXT,
    code_hash TEXT CONSTRAINT org_tickets_hash UNIQUE,
    reusable BOOLEAN NOT NULL,
    skip_approval BOOLEAN NOT NULL,
    consumed BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL,
    created_by TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX org_tickets_by_age ON org_tickets (org_id, created_at, id);

-- Sessions outlive bots (they then answer SESSION_INVALID): no foreign keys.
CREATE TABLE sessions (
    hash TEXT NOT NULL PRIMARY KEY,
    ref TEXT NOT NULL,
    role TEXT NOT NULL,
    org_id TEXT,
    bot_id TEXT,
    owner_name TEXT,
    scopes TEXT,
    is_scoped_token BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_org ON sessions (org_id, created_at, hash);
CREATE INDEX sessions_by_bot ON sessions (bot_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE bots (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL CONSTRAINT bots_token UNIQUE,
    auth_role TEXT NOT NULL CHECK (auth_role IN ('admin', 'member')),
    metadata TEXT,
    webhook_url TEXT,
    webhook_secret TEXT,
    bio TEXT,
    role TEXT,
    function TEXT,
    team TEXT,
    tags TEXT,
    languages TEXT,
    protocols TEXT,
    status_text TEXT,
    timezone TEXT,
    active_hours TEXT,
    version TEXT,
    runtime TEXT,
    online BOOLEAN NOT NULL,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    join_status TEXT NOT NULL CHECK (join_status IN ('active', 'pending', 'rejected')),
    join_status_changed_by TEXT,
    join_status_changed_at BIGINT,
    join_status_reason TEXT,
    CONSTRAINT bots_name UNIQUE (org_id, name)
);
CREATE INDEX bots_by_org ON bots (org_id, id);
CREATE INDEX bots_online ON bots (id) WHERE online;

CREATE TABLE tombstones (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT NOT NULL,
    CONSTRAINT tombstones_name UNIQUE (org_id, name)
);

CREATE TABLE bot_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL CONSTRAINT bot_tokens_token UNIQUE,
    scopes TEXT NOT NULL,
    label TEXT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX bot_tokens_by_bot ON bot_tokens (bot_id, created_at, id);

CREATE TABLE webhook_status (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    last_success BIGINT,
    last_failure BIGINT,
    consecutive_failures BIGINT NOT NULL,
    degraded BOOLEAN NOT NULL
);

-- pair is the two bot ids in order, or null for an imported second channel of a pair.
CREATE TABLE channels (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    name TEXT,
    pair TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT channels_pair UNIQUE (org_id, pair)
);
CREATE TABLE channel_members (
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    joined_at BIGINT NOT NULL,
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (channel_id, bot_id)
) WITHOUT ROWID;
CREATE INDEX channel_members_by_bot ON channel_members (bot_id);

-- Messages lie in the order in which they are read. sender_id outlives the bot.
CREATE TABLE channel_messages (
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    sender_id TEXT NOT NULL,
    content TEXT NOT NULL,
    content_type TEXT NOT NULL,
    parts TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (channel_id, created_at, id)
) WITHOUT ROWID;

CREATE TABLE threads (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    topic TEXT NOT NULL,
    tags TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'blocked', 'reviewing', 'resolved', 'closed')),
    initiator_id TEXT REFERENCES bots (id) ON DELETE SET NULL,
    channel_id TEXT REFERENCES channels (id) ON DELETE SET NULL,
    context TEXT,
    close_reason TEXT CHECK (close_reason IN ('manual', 'timeout', 'error')),
    permission_policy TEXT,
    visibility TEXT NOT NULL CHECK (visibility IN ('public', 'members', 'private')),
    join_policy TEXT NOT NULL CHECK (join_policy IN ('open', 'approval', 'invite_only')),
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    resolved_at BIGINT
);
CREATE INDEX threads_by_activity ON threads (org_id, last_activity_at, id);
CREATE INDEX threads_by_initiator ON threads (initiator_id) WHERE initiator_id IS NOT NULL;
CREATE INDEX threads_by_channel ON threads (channel_id) WHERE channel_id IS NOT NULL;

CREATE TABLE thread_participants (
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    label TEXT,
    joined_at BIGINT NOT NULL,
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (thread_id, bot_id)
) WITHOUT ROWID;
CREATE INDEX thread_participants_by_bot ON thread_participants (bot_id, thread_id);

-- Past intervals; the present ones are rows of channel_members and
-- thread_participants. A bot may have been in the same thread many times.
CREATE TABLE membership_history (
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    joined_seq BIGINT NOT NULL,
    left_seq BIGINT NOT NULL
);
CREATE INDEX membership_history_by_bot ON membership_history (bot_id, joined_seq);
CREATE INDEX membership_history_by_scope ON membership_history (scope_id, kind);

CREATE TABLE thread_join_requests (
    id TEXT NOT NULL PRIMARY KEY,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    bot_id TEXT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    requested_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by TEXT REFERENCES bots (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX thread_join_requests_pending ON thread_join_requests (thread_id, bot_id) WHERE status = 'pending';
CREATE INDEX thread_join_requests_by_thread ON thread_join_requests (thread_id, requested_at, id);
CREATE INDEX thread_join_requests_by_bot ON thread_join_requests (bot_id);
CREATE INDEX thread_join_requests_by_resolver ON thread_join_requests (resolved_by) WHERE resolved_by IS NOT NULL;

-- sender_id and reply_to_id keep the ids of what was deleted; every read looks for the
-- rows they name and shows null when those are gone. So a deletion need not look for
-- them, and the hottest table needs no index for it.
CREATE TABLE thread_messages (
    id TEXT NOT NULL UNIQUE,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    sender_id TEXT,
    content TEXT NOT NULL,
    content_type TEXT NOT NULL,
    parts TEXT,
    metadata TEXT,
    mentions TEXT,
    mention_all BOOLEAN NOT NULL,
    reply_to_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (thread_id, created_at, id)
) WITHOUT ROWID;

CREATE TABLE artifacts (
    id TEXT NOT NULL PRIMARY KEY,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    artifact_key TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('text', 'markdown', 'json', 'code', 'file', 'link')),
    title TEXT,
    content TEXT,
    language TEXT,
    url TEXT,
    mime_type TEXT,
    contributor_id TEXT REFERENCES bots (id) ON DELETE SET NULL,
    version BIGINT NOT NULL,
    format_warning BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT artifacts_version UNIQUE (thread_id, artifact_key, version)
);
CREATE INDEX artifacts_by_contributor ON artifacts (contributor_id) WHERE contributor_id IS NOT NULL;

-- Audit entries outlive bots; DeleteOrg removes those of an organisation.
CREATE TABLE audit_log (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    bot_id TEXT,
    action TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT NOT NULL,
    detail TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, created_at, id)
) WITHOUT ROWID;

-- Hot and short-lived: no foreign key.
CREATE TABLE rate_slots (
    bot_id TEXT NOT NULL,
    bucket TEXT NOT NULL,
    slot BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, bucket, slot)
) WITHOUT ROWID;

CREATE TABLE idempotency (
    org_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    response BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, caller, request_id)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
