-- Back to a review queue that reads all of answers.
-- Loses nothing: the index can be built again.
-- stairwell: no-transaction

DROP INDEX CONCURRENTLY answers_ungraded_idx;
