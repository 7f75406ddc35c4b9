-- Back to a database that knows nobody.
-- Loses every user and what they were granted.
-- stairwell: destructive drops users, roles and user_roles with all their rows

DROP TABLE user_roles;

DROP TABLE roles;

DROP TABLE users;
