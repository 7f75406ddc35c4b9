-- Back to organizations and people alone.
-- Loses every assessment and every question.
-- stairwell: destructive drops assessments and questions with all their rows

DROP TABLE questions;

DROP TABLE assessments;
