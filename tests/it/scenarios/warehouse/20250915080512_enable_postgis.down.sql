-- Back to a database without geometry.
-- Loses the rows that someone added to spatial_ref_sys. No CASCADE: a column that still needs the extension keeps it.
-- stairwell: destructive drops PostGIS with spatial_ref_sys

DROP EXTENSION postgis;
