-- Second half of assessment_limits, a release later: read the old rows under a lock that lets writers work, so
-- that the planner and every reader of the schema may rely on the checks.

ALTER TABLE assessments
    VALIDATE CONSTRAINT assessments_time_limit_minutes_check,
    VALIDATE CONSTRAINT assessments_max_attempts_check;
