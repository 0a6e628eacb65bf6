-- One lease for each node. What a node holds (presence, webhooks, jobs) counts while the lease of
-- the node is live. Nodes of the older schema change nothing from here on, so nothing is held.
ALTER TABLE webhook_nodes RENAME TO nodes;
DELETE FROM nodes;
DELETE FROM presence;
DROP INDEX presence_by_expiry;
ALTER TABLE presence DROP COLUMN expires_at;
DELETE FROM webhook_leases;
ALTER TABLE webhook_leases DROP COLUMN expires_at;
UPDATE upkeep_jobs SET holder = '';
ALTER TABLE upkeep_jobs DROP COLUMN until;
