-- Back to checks that hold for new rows only. Postgres has no way to mark a check as not valid again, so each
-- is dropped and added in the same statement: there is no moment without it.
-- Loses nothing.

ALTER TABLE assessments
    DROP CONSTRAINT assessments_time_limit_minutes_check,
    DROP CONSTRAINT assessments_max_attempts_check,
    ADD CONSTRAINT assessments_time_limit_minutes_check
        CHECK (time_limit_minutes BETWEEN 1 AND 1440) NOT VALID,
    ADD CONSTRAINT assessments_max_attempts_check
        CHECK (max_attempts BETWEEN 1 AND 100) NOT VALID;
