-- The first schema, as in ../sqlite/0001_init.sql. Every text compares and sorts by
-- its bytes (COLLATE "C"), whatever the database was created with.

CREATE TABLE orgs (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    secret_hash TEXT COLLATE "C" NOT NULL,
    persist_messages BOOLEAN NOT NULL DEFAULT TRUE,
    status TEXT COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'destroyed')),
    join_approval_required BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);
CREATE INDEX orgs_by_age ON orgs (created_at, id);

CREATE TABLE org_settings (
    org_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    messages_per_minute_per_bot BIGINT NOT NULL,
    threads_per_hour_per_bot BIGINT NOT NULL,
    file_upload_mb_per_day_per_bot BIGINT NOT NULL,
    message_ttl_days BIGINT,
    thread_auto_close_days BIGINT,
    artifact_retention_days BIGINT,
    default_thread_permission_policy TEXT COLLATE "C",
    updated_at BIGINT NOT NULL
);

-- The log. event_log has no foreign key: it is the hottest table, and DeleteOrg
-- empties it.
CREATE TABLE org_logs (
    org_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES orgs (id) ON DELETE CASCADE,
    epoch TEXT COLLATE "C" NOT NULL,
    last_seq BIGINT NOT NULL,
    -- Raised by every change of the organisation on PostgreSQL: a node whose last
    -- change it still names knows that nobody else has written since.
    version BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE event_log (
    org_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    audience SMALLINT NOT NULL,
    thread_id TEXT COLLATE "C",
    channel_id TEXT COLLATE "C",
    bot_id TEXT COLLATE "C",
    actor_id TEXT COLLATE "C",
    payload BYTEA NOT NULL,
    PRIMARY KEY (org_id, seq)
);

CREATE TABLE invite_codes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    code_hash TEXT COLLATE "C" NOT NULL CONSTRAINT invite_codes_hash UNIQUE,
    code TEXT COLLATE "C",
    label TEXT COLLATE "C",
    max_uses BIGINT NOT NULL,
    use_count BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE org_tickets (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    code TEXT COLLATE "C",
    code_hash TEXT COLLATE "C" CONSTRAINT org_tickets_hash UNIQUE,
    reusable BOOLEAN NOT NULL,
    skip_approval BOOLEAN NOT NULL,
    consumed BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX org_tickets_by_age ON org_tickets (org_id, created_at, id);

-- Sessions outlive bots (they then answer SESSION_INVALID): no foreign keys.
CREATE TABLE sessions (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    ref TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    org_id TEXT COLLATE "C",
    bot_id TEXT COLLATE "C",
    owner_name TEXT COLLATE "C",
    scopes TEXT COLLATE "C",
    is_scoped_token BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_org ON sessions (org_id, created_at, hash);
CREATE INDEX sessions_by_bot ON sessions (bot_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE bots (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL CONSTRAINT bots_token UNIQUE,
    auth_role TEXT COLLATE "C" NOT NULL CHECK (auth_role IN ('admin', 'member')),
    metadata TEXT COLLATE "C",
    webhook_url TEXT COLLATE "C",
    webhook_secret TEXT COLLATE "C",
    bio TEXT COLLATE "C",
    role TEXT COLLATE "C",
    function TEXT COLLATE "C",
    team TEXT COLLATE "C",
    tags TEXT COLLATE "C",
    languages TEXT COLLATE "C",
    protocols TEXT COLLATE "C",
    status_text TEXT COLLATE "C",
    timezone TEXT COLLATE "C",
    active_hours TEXT COLLATE "C",
    version TEXT COLLATE "C",
    runtime TEXT COLLATE "C",
    online BOOLEAN NOT NULL,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    join_status TEXT COLLATE "C" NOT NULL CHECK (join_status IN ('active', 'pending', 'rejected')),
    join_status_changed_by TEXT COLLATE "C",
    join_status_changed_at BIGINT,
    join_status_reason TEXT COLLATE "C",
    CONSTRAINT bots_name UNIQUE (org_id, name)
);
CREATE INDEX bots_by_org ON bots (org_id, id);
CREATE INDEX bots_online ON bots (id) WHERE online;

CREATE TABLE tombstones (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT COLLATE "C" NOT NULL,
    CONSTRAINT tombstones_name UNIQUE (org_id, name)
);

CREATE TABLE bot_tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    token_hash TEXT COLLATE "C" NOT NULL CONSTRAINT bot_tokens_token UNIQUE,
    scopes TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C",
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX bot_tokens_by_bot ON bot_tokens (bot_id, created_at, id);

CREATE TABLE webhook_status (
    bot_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    last_success BIGINT,
    last_failure BIGINT,
    consecutive_failures BIGINT NOT NULL,
    degraded BOOLEAN NOT NULL
);

-- pair is the two bot ids in order, or null for an imported second channel of a pair.
CREATE TABLE channels (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    type TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    pair TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    CONSTRAINT channels_pair UNIQUE (org_id, pair)
);
CREATE TABLE channel_members (
    channel_id TEXT COLLATE "C" NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    joined_at BIGINT NOT NULL,
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (channel_id, bot_id)
);
CREATE INDEX channel_members_by_bot ON channel_members (bot_id);

-- sender_id outlives the bot.
CREATE TABLE channel_messages (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    channel_id TEXT COLLATE "C" NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    sender_id TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    content_type TEXT COLLATE "C" NOT NULL,
    parts TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX channel_messages_by_age ON channel_messages (channel_id, created_at, id);

CREATE TABLE threads (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org_id TEXT COLLATE "C" NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    topic TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'blocked', 'reviewing', 'resolved', 'closed')),
    initiator_id TEXT COLLATE "C" REFERENCES bots (id) ON DELETE SET NULL,
    channel_id TEXT COLLATE "C" REFERENCES channels (id) ON DELETE SET NULL,
    context TEXT COLLATE "C",
    close_reason TEXT COLLATE "C" CHECK (close_reason IN ('manual', 'timeout', 'error')),
    permission_policy TEXT COLLATE "C",
    visibility TEXT COLLATE "C" NOT NULL CHECK (visibility IN ('public', 'members', 'private')),
    join_policy TEXT COLLATE "C" NOT NULL CHECK (join_policy IN ('open', 'approval', 'invite_only')),
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
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    label TEXT COLLATE "C",
    joined_at BIGINT NOT NULL,
    joined_seq BIGINT NOT NULL,
    PRIMARY KEY (thread_id, bot_id)
);
CREATE INDEX thread_participants_by_bot ON thread_participants (bot_id, thread_id);

-- Past intervals; the present ones are rows of channel_members and
-- thread_participants. A bot may have been in the same thread many times.
CREATE TABLE membership_history (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    joined_seq BIGINT NOT NULL,
    left_seq BIGINT NOT NULL
);
CREATE INDEX membership_history_by_bot ON membership_history (bot_id, joined_seq);
CREATE INDEX membership_history_by_scope ON membership_history (scope_id, kind);

CREATE TABLE thread_join_requests (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    requested_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by TEXT COLLATE "C" REFERENCES bots (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX thread_join_requests_pending ON thread_join_requests (thread_id, bot_id) WHERE status = 'pending';
CREATE INDEX thread_join_requests_by_thread ON thread_join_requests (thread_id, requested_at, id);
CREATE INDEX thread_join_requests_by_bot ON thread_join_requests (bot_id);
CREATE INDEX thread_join_requests_by_resolver ON thread_join_requests (resolved_by) WHERE resolved_by IS NOT NULL;

-- sender_id and reply_to_id keep the ids of what was deleted; every read looks for the
-- rows they name and shows null when those are gone. So a deletion need not look for
-- them, and the hottest table needs no index for it.
CREATE TABLE thread_messages (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    sender_id TEXT COLLATE "C",
    content TEXT COLLATE "C" NOT NULL,
    content_type TEXT COLLATE "C" NOT NULL,
    parts TEXT COLLATE "C",
    metadata TEXT COLLATE "C",
    mentions TEXT COLLATE "C",
    mention_all BOOLEAN NOT NULL,
    reply_to_id TEXT COLLATE "C",
    created_at BIGINT NOT NULL
);
CREATE INDEX thread_messages_by_age ON thread_messages (thread_id, created_at, id);

CREATE TABLE artifacts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    artifact_key TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL CHECK (type IN ('text', 'markdown', 'json', 'code', 'file', 'link')),
    title TEXT COLLATE "C",
    content TEXT COLLATE "C",
    language TEXT COLLATE "C",
    url TEXT COLLATE "C",
    mime_type TEXT COLLATE "C",
    contributor_id TEXT COLLATE "C" REFERENCES bots (id) ON DELETE SET NULL,
    version BIGINT NOT NULL,
    format_warning BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT artifacts_version UNIQUE (thread_id, artifact_key, version)
);
CREATE INDEX artifacts_by_contributor ON artifacts (contributor_id) WHERE contributor_id IS NOT NULL;

-- Audit entries outlive bots; DeleteOrg removes those of an organisation.
CREATE TABLE audit_log (
    id TEXT COLLATE "C" NOT NULL,
    org_id TEXT COLLATE "C" NOT NULL,
    bot_id TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    target_type TEXT COLLATE "C" NOT NULL,
    target_id TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, created_at, id)
);

-- Hot and short-lived: no foreign key.
CREATE TABLE rate_slots (
    bot_id TEXT COLLATE "C" NOT NULL,
    bucket TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, bucket, slot)
);

CREATE TABLE idempotency (
    org_id TEXT COLLATE "C" NOT NULL,
    caller TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    response BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, caller, request_id)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
