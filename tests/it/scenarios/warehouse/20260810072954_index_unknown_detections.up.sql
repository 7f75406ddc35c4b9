-- The review page shows what a model saw and could not name, surest first, and read all of detections to find it.
-- CONCURRENTLY because the cameras write to it day and night.
-- stairwell: no-transaction

CREATE INDEX CONCURRENTLY detections_unknown_idx
    ON detections (confidence DESC)
    WHERE product_id IS NULL;
