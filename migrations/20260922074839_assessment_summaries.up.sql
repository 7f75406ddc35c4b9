-- The figures of the organization's dashboard, one row an assessment, in one place instead of in three queries.
-- LATERAL and no GROUP BY: with a filter on organization_id only that organization's rows are read, and counts
-- of questions and of sessions do not multiply each other.

CREATE VIEW assessment_summaries AS
SELECT
    a.id AS assessment_id,
    a.organization_id,
    a.title,
    a.status,
    q.question_count,
    q.max_points,
    s.session_count,
    s.open_session_count,
    s.graded_count,
    s.passed_count,
    s.average_percent
FROM assessments AS a
CROSS JOIN LATERAL (
    SELECT
        count(*) AS question_count,
        coalesce(sum(questions.points), 0) AS max_points
    FROM questions
    WHERE questions.assessment_id = a.id
) AS q
CROSS JOIN LATERAL (
    SELECT
        count(*) AS session_count,
        count(*) FILTER (WHERE sessions.submitted_at IS NULL) AS open_session_count,
        count(results.id) AS graded_count,
        count(*) FILTER (WHERE results.passed) AS passed_count,
        round(avg(100 * results.awarded_points / results.max_points), 1) AS average_percent
    FROM assessment_sessions AS sessions
    LEFT JOIN assessment_results AS results ON results.session_id = sessions.id
    WHERE sessions.assessment_id = a.id
) AS s;

COMMENT ON COLUMN assessment_summaries.max_points IS 'Of the questions as they are now; results keep their own.';
COMMENT ON COLUMN assessment_summaries.average_percent IS 'Over graded sessions; null when there are none.';
