-- Back to a database without a memory of who did what.
-- Loses the audit trail, which exists nowhere else.
-- stairwell: destructive drops audit_events with all its rows

DROP TRIGGER safety_zones_audit ON safety_zones;

DROP TRIGGER products_audit ON products;

DROP TRIGGER storage_areas_audit ON storage_areas;

DROP TRIGGER sites_audit ON sites;

DROP FUNCTION write_audit_event();

DROP TABLE audit_events;
