-- Timed exams and a limited number of attempts, both optional.
-- The checks are NOT VALID: they hold for every new row at once, and nobody waits while the old rows are read.
-- The next migration reads them.

ALTER TABLE assessments
    ADD COLUMN time_limit_minutes integer,
    ADD COLUMN max_attempts integer,
    ADD CONSTRAINT assessments_time_limit_minutes_check
        CHECK (time_limit_minutes BETWEEN 1 AND 1440) NOT VALID,
    ADD CONSTRAINT assessments_max_attempts_check
        CHECK (max_attempts BETWEEN 1 AND 100) NOT VALID;

COMMENT ON COLUMN assessments.time_limit_minutes IS 'From assessment_sessions.started_at; null for no limit.';
COMMENT ON COLUMN assessments.max_attempts IS 'Sessions a person may start; null for no limit.';
