-- Who changed what, for the auditors. No foreign keys, on purpose: an entry outlives what it is about.

CREATE TABLE audit_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id      bigint,
    table_name   text NOT NULL,
    row_id       bigint,
    action       text NOT NULL,
    before       jsonb,
    after        jsonb,
    CONSTRAINT audit_events_action_check CHECK (action IN ('insert', 'update', 'delete')),
    CONSTRAINT audit_events_content_check CHECK (
        CASE action
            WHEN 'insert' THEN before IS NULL AND after IS NOT NULL
            WHEN 'delete' THEN before IS NOT NULL AND after IS NULL
            ELSE before IS NOT NULL AND after IS NOT NULL
        END
    )
);

COMMENT ON COLUMN audit_events.user_id IS
    'What the application set as warehouse.user_id; null for who came another way.';

CREATE INDEX audit_events_row_idx ON audit_events (table_name, row_id, occurred_at DESC);

CREATE INDEX audit_events_occurred_at_idx ON audit_events USING brin (occurred_at);

-- Geometry goes in as GeoJSON, which is what to_jsonb makes of it, and so reads in ten years as well.
CREATE FUNCTION write_audit_event() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    IF old_row IS NOT DISTINCT FROM new_row THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_events (user_id, table_name, row_id, action, before, after)
    VALUES (
        nullif(current_setting('warehouse.user_id', true), '')::bigint,
        TG_TABLE_NAME,
        (coalesce(new_row, old_row) ->> 'id')::bigint,
        lower(TG_OP),
        old_row,
        new_row
    );
    RETURN NULL;
END;
$$;

CREATE TRIGGER sites_audit AFTER INSERT OR UPDATE OR DELETE ON sites
    FOR EACH ROW EXECUTE FUNCTION write_audit_event();

CREATE TRIGGER storage_areas_audit AFTER INSERT OR UPDATE OR DELETE ON storage_areas
    FOR EACH ROW EXECUTE FUNCTION write_audit_event();

CREATE TRIGGER products_audit AFTER INSERT OR UPDATE OR DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION write_audit_event();

CREATE TRIGGER safety_zones_audit AFTER INSERT OR UPDATE OR DELETE ON safety_zones
    FOR EACH ROW EXECUTE FUNCTION write_audit_event();
