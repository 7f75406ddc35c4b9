-- Back to a service that keeps no log.
-- Loses the whole audit log, which exists nowhere else.
-- stairwell: destructive drops audit_logs with all its entries

DROP TABLE audit_logs;

DROP FUNCTION refuse_audit_update();
