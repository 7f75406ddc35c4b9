-- Cameras look at the aisles. What a photo shows is asked by place, so both ends are geometry: where the camera hangs,
-- and the part of the floor that it sees.

CREATE TABLE cameras (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_area_id bigint NOT NULL,
    serial          text NOT NULL,
    location        geometry (PointZ, 0) NOT NULL,
    field_of_view   geometry (Polygon, 0) NOT NULL,
    installed_at    timestamptz NOT NULL DEFAULT now(),
    removed_at      timestamptz,
    CONSTRAINT cameras_storage_area_id_fkey FOREIGN KEY (storage_area_id) REFERENCES storage_areas (id),
    CONSTRAINT cameras_field_of_view_check CHECK (ST_IsValid(field_of_view)),
    CONSTRAINT cameras_removed_at_check CHECK (removed_at >= installed_at)
);

COMMENT ON COLUMN cameras.field_of_view IS 'What it sees of the floor, on the plan of its area''s site.';

-- A serial number hangs in one place at a time, and may have hung in others.
CREATE UNIQUE INDEX cameras_serial_key ON cameras (serial) WHERE removed_at IS NULL;

CREATE INDEX cameras_storage_area_id_idx ON cameras (storage_area_id);

CREATE INDEX cameras_location_idx ON cameras USING gist (location);

CREATE INDEX cameras_field_of_view_idx ON cameras USING gist (field_of_view) WHERE removed_at IS NULL;

CREATE TABLE photos (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id   bigint NOT NULL,
    object_key  text NOT NULL,
    sha256      bytea NOT NULL,
    width_px    integer NOT NULL,
    height_px   integer NOT NULL,
    taken_at    timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT photos_camera_id_fkey FOREIGN KEY (camera_id) REFERENCES cameras (id),
    CONSTRAINT photos_object_key_key UNIQUE (object_key),
    CONSTRAINT photos_sha256_check CHECK (length(sha256) = 32),
    CONSTRAINT photos_size_check CHECK (width_px BETWEEN 1 AND 20000 AND height_px BETWEEN 1 AND 20000)
);

COMMENT ON COLUMN photos.object_key IS 'In the bucket; the picture itself never comes into the database.';
COMMENT ON COLUMN photos.taken_at IS 'By the camera''s clock, which may be wrong; received_at is by ours.';

CREATE INDEX photos_camera_id_taken_at_idx ON photos (camera_id, taken_at DESC);
