-- Whether anybody may read the A2A cards of the bots of an org.
ALTER TABLE org_settings ADD COLUMN public_agent_cards BOOLEAN NOT NULL DEFAULT FALSE;
