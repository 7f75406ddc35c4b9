-- Back to assessments without limits; the two checks go with their columns.
-- Loses the time limit and the number of attempts of every assessment.
-- stairwell: destructive drops assessments.time_limit_minutes and assessments.max_attempts

ALTER TABLE assessments
    DROP COLUMN max_attempts,
    DROP COLUMN time_limit_minutes;
