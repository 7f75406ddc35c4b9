-- What is asked, and what was said.

CREATE TABLE questions (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prompt text NOT NULL,
    points integer NOT NULL DEFAULT 1,
    CONSTRAINT questions_points_check CHECK (points > 0)
);

CREATE TABLE answers (
    interview_id bigint NOT NULL REFERENCES interviews (id) ON DELETE CASCADE,
    question_id  bigint NOT NULL REFERENCES questions (id),
    response     jsonb NOT NULL,
    answered_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (interview_id, question_id)
);
