-- Cancelled interviews stay, and must not look like those to come.

CREATE TYPE interview_status AS ENUM ('planned', 'held', 'cancelled');

ALTER TABLE interviews ADD COLUMN status interview_status NOT NULL DEFAULT 'planned';

UPDATE interviews SET status = 'held' WHERE scheduled_at < '2026-01-19 00:00:00+00';
