-- The address of a webhook rests sealed, as its secret does: many services put a secret in
-- it. The column of before (bots.webhook_url) is emptied when a server starts (package
-- vault): that needs its key.
ALTER TABLE bots ADD COLUMN sealed_url TEXT;
UPDATE bots SET webhook_url = NULL WHERE webhook_url = '';
DROP INDEX bots_with_webhook;
CREATE INDEX bots_with_webhook ON bots (id) WHERE sealed_url IS NOT NULL;
CREATE INDEX bots_bare_url ON bots (org_id, id) WHERE webhook_url IS NOT NULL;
