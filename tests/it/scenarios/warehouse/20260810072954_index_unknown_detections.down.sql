-- Back to a review page that reads everything.
-- Loses nothing: the index can be built again.
-- stairwell: no-transaction

DROP INDEX CONCURRENTLY detections_unknown_idx;
