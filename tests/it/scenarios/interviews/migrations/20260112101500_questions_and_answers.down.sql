-- stairwell: destructive drops answers and questions with all their rows

DROP TABLE answers;

DROP TABLE questions;
