-- Where something happened, for those who catch up: a bot that was away for long finds
-- the events of its threads and channels, and its own, without reading all others.
CREATE INDEX event_log_by_scope ON event_log (
    (CASE audience WHEN 2 THEN channel_id WHEN 3 THEN thread_id ELSE bot_id END), seq
) WHERE audience BETWEEN 2 AND 4;
