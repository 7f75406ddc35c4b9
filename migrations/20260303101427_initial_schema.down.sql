-- Back to an empty database.
-- Loses every organization, user and membership.
-- stairwell: destructive drops organizations, users and memberships with all their rows

DROP TABLE memberships;

DROP TABLE users;

DROP TABLE organizations;

DROP FUNCTION touch_updated_at();
