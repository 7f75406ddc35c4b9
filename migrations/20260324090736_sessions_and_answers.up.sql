-- A session is one person's attempt at one assessment; its answers are saved one by one while it is open.

CREATE TABLE assessment_sessions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    assessment_id bigint NOT NULL,
    user_id       bigint NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT now(),
    submitted_at  timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    -- RESTRICT: what somebody has sat is evidence, and is retired instead of deleted.
    CONSTRAINT assessment_sessions_assessment_id_fkey
        FOREIGN KEY (assessment_id) REFERENCES assessments (id) ON DELETE RESTRICT,
    -- CASCADE: erasing a person erases what they wrote and how they did.
    CONSTRAINT assessment_sessions_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    -- Serves the foreign key to assessments, and is what answers point to.
    CONSTRAINT assessment_sessions_assessment_id_id_key UNIQUE (assessment_id, id),
    CONSTRAINT assessment_sessions_submitted_at_check CHECK (submitted_at >= started_at)
);

COMMENT ON COLUMN assessment_sessions.submitted_at IS 'Null while the session is open.';

-- One open session a person and assessment: a second browser tab continues it.
CREATE UNIQUE INDEX assessment_sessions_open_key
    ON assessment_sessions (assessment_id, user_id)
    WHERE submitted_at IS NULL;

CREATE INDEX assessment_sessions_user_id_idx ON assessment_sessions (user_id);

CREATE TRIGGER assessment_sessions_touch_updated_at
    BEFORE UPDATE ON assessment_sessions
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE answers (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    assessment_id  bigint NOT NULL,
    session_id     bigint NOT NULL,
    question_id    bigint NOT NULL,
    response       jsonb NOT NULL,
    awarded_points numeric(6, 2),
    answered_at    timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    -- Both keys share assessment_id: a session can only answer questions of its own assessment.
    CONSTRAINT answers_session_fkey
        FOREIGN KEY (assessment_id, session_id) REFERENCES assessment_sessions (assessment_id, id)
        ON DELETE CASCADE,
    -- RESTRICT: a question that has been answered cannot vanish from under its answers.
    CONSTRAINT answers_question_fkey
        FOREIGN KEY (assessment_id, question_id) REFERENCES questions (assessment_id, id)
        ON DELETE RESTRICT,
    -- Its leading session_id serves the foreign key to sessions, which have one assessment each.
    CONSTRAINT answers_session_id_question_id_key UNIQUE (session_id, question_id),
    CONSTRAINT answers_awarded_points_check CHECK (awarded_points >= 0)
);

COMMENT ON COLUMN answers.response IS
    'A string for free text, an array of indexes into questions.choices (from 0) for the choice kinds.';
COMMENT ON COLUMN answers.awarded_points IS 'Null until graded.';

CREATE INDEX answers_question_idx ON answers (assessment_id, question_id);

CREATE TRIGGER answers_touch_updated_at
    BEFORE UPDATE ON answers
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();
