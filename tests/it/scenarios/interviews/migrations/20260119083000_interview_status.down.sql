-- stairwell: destructive drops interviews.status

ALTER TABLE interviews DROP COLUMN status;

DROP TYPE interview_status;
