-- A second site opens, and its manager is nobody's manager at the first. A role without a site holds everywhere, as all
-- that were granted so far do.

ALTER TABLE user_roles ADD COLUMN site_id bigint;

ALTER TABLE user_roles
    ADD CONSTRAINT user_roles_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id) ON DELETE CASCADE;

-- The primary key cannot hold a null, so what makes a grant unique is two indexes.
ALTER TABLE user_roles DROP CONSTRAINT user_roles_pkey;

CREATE UNIQUE INDEX user_roles_everywhere_key ON user_roles (user_id, role_code) WHERE site_id IS NULL;

CREATE UNIQUE INDEX user_roles_site_key ON user_roles (user_id, role_code, site_id) WHERE site_id IS NOT NULL;

CREATE INDEX user_roles_site_id_idx ON user_roles (site_id) WHERE site_id IS NOT NULL;

COMMENT ON COLUMN user_roles.site_id IS 'Where the role holds; null for everywhere.';
