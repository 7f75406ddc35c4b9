-- Who works here, and what they may do. A person has roles at a site later on; for now they hold everywhere.

CREATE TABLE users (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email        text NOT NULL,
    display_name text NOT NULL,
    badge        text,
    is_active    boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_check CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND length(email) <= 254),
    CONSTRAINT users_display_name_check CHECK (length(btrim(display_name)) BETWEEN 1 AND 200),
    CONSTRAINT users_badge_check CHECK (badge ~ '^[0-9A-F]{8}$')
);

COMMENT ON COLUMN users.badge IS 'What the gate reads, in upper-case hexadecimal; null for who has no badge.';

-- People type their address in any case and expect it to be theirs.
CREATE UNIQUE INDEX users_lower_email_key ON users (lower(email));

-- A badge is handed on when someone leaves, so only the active ones are unique.
CREATE UNIQUE INDEX users_badge_key ON users (badge) WHERE is_active;

CREATE TABLE roles (
    code        text PRIMARY KEY,
    description text NOT NULL,
    CONSTRAINT roles_code_check CHECK (code ~ '^[a-z_]+$')
);

INSERT INTO roles (code, description) VALUES
    ('admin', 'Everything, users and sites included'),
    ('manager', 'Counts, corrections and reports'),
    ('picker', 'Moves goods'),
    ('viewer', 'Looks, and changes nothing');

CREATE TABLE user_roles (
    user_id    bigint NOT NULL,
    role_code  text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by bigint,
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_code),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_code_fkey FOREIGN KEY (role_code) REFERENCES roles (code),
    -- What somebody was given stays when the giver leaves.
    CONSTRAINT user_roles_granted_by_fkey FOREIGN KEY (granted_by) REFERENCES users (id) ON DELETE SET NULL
);

CREATE INDEX user_roles_role_code_idx ON user_roles (role_code);

CREATE INDEX user_roles_granted_by_idx ON user_roles (granted_by) WHERE granted_by IS NOT NULL;
