-- Back to assessments that are all visible.
-- Loses which ones are drafts and which are archived: candidates would see those again.
-- stairwell: destructive drops assessments.status, so drafts and archived assessments become visible

ALTER TABLE assessments
    DROP COLUMN status;

DROP TYPE assessment_status;
