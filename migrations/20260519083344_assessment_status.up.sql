-- Authors want to prepare an assessment before candidates see it, and to retire one without deleting it.

CREATE TYPE assessment_status AS ENUM ('draft', 'published', 'archived');

-- Two defaults in a row instead of a backfill. The first is what every existing row reads as from now on: each of
-- them is visible to candidates today. Postgres keeps it in the catalog and rewrites nothing. The second is for
-- the rows to come.
ALTER TABLE assessments
    ADD COLUMN status assessment_status NOT NULL DEFAULT 'published';

ALTER TABLE assessments
    ALTER COLUMN status SET DEFAULT 'draft';

COMMENT ON COLUMN assessments.status IS
    'draft: authors only; published: open to candidates; archived: kept for its results, no new sessions.';
