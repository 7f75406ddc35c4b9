-- Back to a company without buildings.
-- Loses the floor plans, which somebody has measured.
-- stairwell: destructive drops sites, storage_areas and positions with all their rows

DROP TABLE positions;

DROP FUNCTION check_position_in_area();

DROP TABLE storage_areas;

DROP TABLE sites;
