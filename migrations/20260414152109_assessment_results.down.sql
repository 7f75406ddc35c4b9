-- Back to answers without an outcome.
-- Loses every result; the points of single answers stay, the verdicts and who gave them do not.
-- stairwell: destructive drops assessment_results with all its rows

DROP TABLE assessment_results;
