-- What an organization asks: an assessment is an ordered list of questions with a pass mark.

CREATE TABLE assessments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id bigint NOT NULL,
    created_by      bigint,
    title           text NOT NULL,
    description     text NOT NULL DEFAULT '',
    pass_percent    integer NOT NULL DEFAULT 60,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- RESTRICT: an organization is emptied on purpose before it goes, never by one DELETE.
    CONSTRAINT assessments_organization_id_fkey
        FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE RESTRICT,
    -- The assessment belongs to the organization and stays when its author leaves.
    CONSTRAINT assessments_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT assessments_title_check CHECK (length(btrim(title)) BETWEEN 1 AND 200),
    CONSTRAINT assessments_pass_percent_check CHECK (pass_percent BETWEEN 0 AND 100)
);

COMMENT ON COLUMN assessments.created_by IS 'Null once the author''s account is deleted.';

-- Serves the foreign key to organizations as well.
CREATE UNIQUE INDEX assessments_organization_id_lower_title_key ON assessments (organization_id, lower(title));

CREATE INDEX assessments_created_by_idx ON assessments (created_by) WHERE created_by IS NOT NULL;

CREATE TRIGGER assessments_touch_updated_at
    BEFORE UPDATE ON assessments
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE questions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    assessment_id bigint NOT NULL,
    position      integer NOT NULL,
    kind          text NOT NULL,
    prompt        text NOT NULL,
    choices       jsonb,
    points        integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT questions_assessment_id_fkey
        FOREIGN KEY (assessment_id) REFERENCES assessments (id) ON DELETE CASCADE,
    -- Deferrable, so that two questions can change places in one transaction.
    CONSTRAINT questions_assessment_id_position_key
        UNIQUE (assessment_id, position) DEFERRABLE INITIALLY IMMEDIATE,
    -- Lets a foreign key insist that a question is one of a given assessment.
    CONSTRAINT questions_assessment_id_id_key UNIQUE (assessment_id, id),
    CONSTRAINT questions_position_check CHECK (position >= 1),
    CONSTRAINT questions_kind_check CHECK (kind IN ('single_choice', 'multiple_choice', 'free_text')),
    CONSTRAINT questions_prompt_check CHECK (length(btrim(prompt)) BETWEEN 1 AND 10000),
    -- A check that comes out null passes, so every branch ends in true or false.
    CONSTRAINT questions_choices_check CHECK (
        CASE
            WHEN kind = 'free_text' THEN choices IS NULL
            WHEN choices IS NULL THEN false
            WHEN jsonb_typeof(choices) = 'array' THEN jsonb_array_length(choices) BETWEEN 2 AND 20
            ELSE false
        END
    ),
    CONSTRAINT questions_points_check CHECK (points BETWEEN 1 AND 1000)
);

COMMENT ON COLUMN questions.position IS 'Order within the assessment, from 1; gaps are allowed.';
COMMENT ON COLUMN questions.choices IS
    'Array of {"label": text, "correct": boolean}, in the order shown; null for free text.';

CREATE TRIGGER questions_touch_updated_at
    BEFORE UPDATE ON questions
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();
