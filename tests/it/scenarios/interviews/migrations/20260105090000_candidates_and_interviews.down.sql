-- stairwell: destructive drops interviews and candidates with all their rows

DROP TABLE interviews;

DROP TABLE candidates;
