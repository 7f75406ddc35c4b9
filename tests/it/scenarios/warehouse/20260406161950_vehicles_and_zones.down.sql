-- Back to fork-lifts that drive as they like.
-- Loses tracks, zones and alerts, the evidence of accidents among them.
-- stairwell: destructive drops zone_alerts, safety_zones, vehicle_tracks and vehicles with all their rows

DROP TABLE zone_alerts;

DROP TABLE safety_zones;

DROP TABLE vehicle_tracks;

DROP TABLE vehicles;
