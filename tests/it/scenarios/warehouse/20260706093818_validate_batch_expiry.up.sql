-- Second half of label_prints_and_expiry, once the wrong rows were mended by hand: read the old ones under a lock that
-- lets writers work.

ALTER TABLE batches VALIDATE CONSTRAINT batches_expires_on_check;
