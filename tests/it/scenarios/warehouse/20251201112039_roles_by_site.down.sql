-- Back to roles that hold everywhere.
-- Loses the roles that somebody had at one site only: to hold them everywhere would be more than was granted.
-- stairwell: destructive deletes the roles that are limited to a site, and drops user_roles.site_id

DELETE FROM user_roles WHERE site_id IS NOT NULL;

DROP INDEX user_roles_everywhere_key;

ALTER TABLE user_roles DROP COLUMN site_id;

ALTER TABLE user_roles ADD CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_code);
