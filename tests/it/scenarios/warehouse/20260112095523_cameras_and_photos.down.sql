-- Back to a warehouse that nobody watches.
-- Loses which photo is of what; the pictures stay in the bucket, and nothing says any more what they are.
-- stairwell: destructive drops photos and cameras with all their rows

DROP TABLE photos;

DROP TABLE cameras;
