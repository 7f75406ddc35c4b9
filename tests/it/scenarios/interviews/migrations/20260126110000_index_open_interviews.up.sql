-- The calendar asks for these all day, and interviews is written to all day.
-- stairwell: no-transaction

CREATE INDEX CONCURRENTLY interviews_planned_idx ON interviews (scheduled_at) WHERE status = 'planned';
