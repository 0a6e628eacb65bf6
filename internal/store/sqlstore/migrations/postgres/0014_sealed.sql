-- Secrets that are read again are sealed (package seal), what opens an org is looked up by
-- hash alone. The columns of before (bots.webhook_secret, org_tickets.code,
-- invite_codes.code) are emptied when a server starts (package vault): that needs its key.
ALTER TABLE bots ADD COLUMN sealed_secret TEXT COLLATE "C";
CREATE INDEX bots_bare ON bots (org_id, id) WHERE webhook_secret IS NOT NULL;
ALTER TABLE org_tickets ADD COLUMN id_hash TEXT COLLATE "C";
ALTER TABLE org_tickets ADD COLUMN sealed TEXT COLLATE "C";
CREATE UNIQUE INDEX org_tickets_id_hash ON org_tickets (id_hash);
CREATE INDEX org_tickets_bare ON org_tickets (org_id, id) WHERE id_hash IS NULL;
ALTER TABLE invite_codes ADD COLUMN sealed TEXT COLLATE "C";
CREATE INDEX invite_codes_bare ON invite_codes (id) WHERE code IS NOT NULL;

-- Which key seals, and under which every row is known to be sealed.
ALTER TABLE installation ADD COLUMN seal_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE installation ADD COLUMN sealed_under TEXT COLLATE "C" NOT NULL DEFAULT '';
