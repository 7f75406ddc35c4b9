-- Back to photos that nobody has looked at.
-- Loses the detections; a model can look again, at its price.
-- stairwell: destructive drops detections and detection_models with all their rows

DROP TABLE detections;

DROP TABLE detection_models;
