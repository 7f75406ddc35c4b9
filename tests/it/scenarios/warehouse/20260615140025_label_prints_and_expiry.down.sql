-- Back to batches without labels.
-- Loses which labels were printed.
-- stairwell: destructive drops label_prints with all its rows

ALTER TABLE batches DROP CONSTRAINT batches_expires_on_check;

DROP TABLE label_prints;
