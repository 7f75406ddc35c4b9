-- The review queue shows the oldest ungraded answers first and read all of answers to find them.
-- Partial: an answer leaves the index when it is graded, so it stays as small as the queue.
-- CONCURRENTLY because answers is the largest table, and candidates write to it all day.
-- stairwell: no-transaction

CREATE INDEX CONCURRENTLY answers_ungraded_idx
    ON answers (answered_at)
    WHERE awarded_points IS NULL;
