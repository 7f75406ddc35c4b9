-- Back to assessments that nobody can sit.
-- Loses every session and every answer given.
-- stairwell: destructive drops assessment_sessions and answers with all their rows

DROP TABLE answers;

DROP TABLE assessment_sessions;
