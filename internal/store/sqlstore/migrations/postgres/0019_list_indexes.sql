-- Lists that read their page alone (B2B-LIM-070). No row of these is written by a message, except
-- that bots_online, which replaces an index of the same rows, changes when a bot connects.
CREATE INDEX invite_codes_by_age ON invite_codes (created_at, id);
CREATE INDEX org_tickets_unused ON org_tickets (org_id, created_at, id) WHERE NOT consumed;
CREATE INDEX thread_join_requests_waiting ON thread_join_requests (thread_id, requested_at, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_dead_of_bot ON webhook_deliveries (bot_id, updated_at, id) WHERE next_at IS NULL;
DROP INDEX bots_online;
CREATE INDEX bots_online ON bots (org_id, name) WHERE online;
