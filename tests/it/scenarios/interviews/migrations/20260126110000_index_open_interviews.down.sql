-- stairwell: no-transaction

DROP INDEX CONCURRENTLY interviews_planned_idx;
