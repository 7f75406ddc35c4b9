-- The outcome of a graded session, stored and not computed: points and pass mark of an assessment may change
-- later, and must not change what somebody was told.

CREATE TABLE assessment_results (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id     bigint NOT NULL,
    graded_by      bigint,
    awarded_points numeric(8, 2) NOT NULL,
    max_points     numeric(8, 2) NOT NULL,
    passed         boolean NOT NULL,
    graded_at      timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assessment_results_session_id_fkey
        FOREIGN KEY (session_id) REFERENCES assessment_sessions (id) ON DELETE CASCADE,
    -- The result is the candidate's and stays when the reviewer leaves.
    CONSTRAINT assessment_results_graded_by_fkey
        FOREIGN KEY (graded_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT assessment_results_session_id_key UNIQUE (session_id),
    CONSTRAINT assessment_results_points_check CHECK (awarded_points BETWEEN 0 AND max_points AND max_points > 0)
);

COMMENT ON COLUMN assessment_results.graded_by IS
    'Null when graded automatically, and once the reviewer''s account is deleted.';

CREATE INDEX assessment_results_graded_by_idx ON assessment_results (graded_by) WHERE graded_by IS NOT NULL;

CREATE TRIGGER assessment_results_touch_updated_at
    BEFORE UPDATE ON assessment_results
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();
