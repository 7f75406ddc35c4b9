-- Who did what to which object, for the organizations that must be able to show it.
-- No foreign keys, on purpose: an entry outlives the user and the object that it names.

CREATE TABLE audit_logs (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id bigint NOT NULL,
    actor_id        bigint,
    action          text NOT NULL,
    subject_type    text NOT NULL,
    subject_id      bigint NOT NULL,
    detail          jsonb NOT NULL DEFAULT '{}',
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_logs_action_check CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    CONSTRAINT audit_logs_subject_type_check CHECK (subject_type ~ '^[a-z_]+$'),
    CONSTRAINT audit_logs_detail_check CHECK (jsonb_typeof(detail) = 'object')
);

COMMENT ON TABLE audit_logs IS 'Append only: entries are never updated, and deleted only when their retention ends.';
COMMENT ON COLUMN audit_logs.actor_id IS 'users.id at the time, also after that user is gone; null for the system.';
COMMENT ON COLUMN audit_logs.action IS 'Object and verb, such as assessment.published.';
COMMENT ON COLUMN audit_logs.detail IS 'What changed. No answers and no secrets: this outlives an erasure.';

-- The log page: the newest entries of an organization.
CREATE INDEX audit_logs_organization_id_occurred_at_idx ON audit_logs (organization_id, occurred_at DESC);

-- The history of one object.
CREATE INDEX audit_logs_subject_idx ON audit_logs (subject_type, subject_id);

CREATE INDEX audit_logs_actor_id_idx ON audit_logs (actor_id) WHERE actor_id IS NOT NULL;

CREATE FUNCTION refuse_audit_update() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'audit_logs is append only'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Insert an entry that corrects the earlier one.';
END;
$function$;

CREATE TRIGGER audit_logs_refuse_update
    BEFORE UPDATE ON audit_logs
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_audit_update();
