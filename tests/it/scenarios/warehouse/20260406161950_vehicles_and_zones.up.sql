-- Fork-lifts say where they drive, and some places are not for them. A track is one line a shift and vehicle; its M is
-- the time in seconds since 1970, so where a vehicle was at a moment is ST_LocateAlong.

CREATE TABLE vehicles (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id bigint NOT NULL,
    code    text NOT NULL,
    kind    text NOT NULL,
    CONSTRAINT vehicles_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id),
    CONSTRAINT vehicles_site_id_code_key UNIQUE (site_id, code),
    CONSTRAINT vehicles_kind_check CHECK (kind IN ('forklift', 'reach_truck', 'tugger', 'robot'))
);

CREATE TABLE vehicle_tracks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id bigint NOT NULL,
    driver_id  bigint,
    path       geometry (LineStringM, 0) NOT NULL,
    during     tstzrange NOT NULL,
    CONSTRAINT vehicle_tracks_vehicle_id_fkey FOREIGN KEY (vehicle_id) REFERENCES vehicles (id) ON DELETE CASCADE,
    CONSTRAINT vehicle_tracks_driver_id_fkey FOREIGN KEY (driver_id) REFERENCES users (id) ON DELETE SET NULL,
    -- Without this ST_LocateAlong finds a vehicle in two places at once.
    CONSTRAINT vehicle_tracks_path_check CHECK (ST_IsValidTrajectory(path)),
    CONSTRAINT vehicle_tracks_during_check CHECK (NOT isempty(during))
);

COMMENT ON COLUMN vehicle_tracks.driver_id IS 'Null for a robot, and once the driver''s account is deleted.';

CREATE INDEX vehicle_tracks_vehicle_id_idx ON vehicle_tracks (vehicle_id);

CREATE INDEX vehicle_tracks_driver_id_idx ON vehicle_tracks (driver_id) WHERE driver_id IS NOT NULL;

CREATE INDEX vehicle_tracks_path_idx ON vehicle_tracks USING gist (path);

CREATE INDEX vehicle_tracks_during_idx ON vehicle_tracks USING gist (during);

CREATE TABLE safety_zones (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id    bigint NOT NULL,
    name       text NOT NULL,
    shape      geometry (Polygon, 0) NOT NULL,
    max_speed  numeric(4, 1) NOT NULL DEFAULT 0,
    valid      tstzrange NOT NULL DEFAULT tstzrange(now(), NULL),
    CONSTRAINT safety_zones_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id),
    CONSTRAINT safety_zones_shape_check CHECK (ST_IsValid(shape)),
    CONSTRAINT safety_zones_max_speed_check CHECK (max_speed BETWEEN 0 AND 30)
);

COMMENT ON COLUMN safety_zones.max_speed IS 'Kilometres an hour; 0 is "not at all".';

CREATE INDEX safety_zones_site_id_idx ON safety_zones (site_id);

CREATE INDEX safety_zones_shape_idx ON safety_zones USING gist (shape);

CREATE TABLE zone_alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    safety_zone_id  bigint NOT NULL,
    vehicle_id      bigint NOT NULL,
    location        geometry (Point, 0) NOT NULL,
    speed           numeric(4, 1) NOT NULL,
    raised_at       timestamptz NOT NULL DEFAULT now(),
    acknowledged_by bigint,
    acknowledged_at timestamptz,
    CONSTRAINT zone_alerts_safety_zone_id_fkey FOREIGN KEY (safety_zone_id) REFERENCES safety_zones (id),
    CONSTRAINT zone_alerts_vehicle_id_fkey FOREIGN KEY (vehicle_id) REFERENCES vehicles (id),
    CONSTRAINT zone_alerts_acknowledged_by_fkey FOREIGN KEY (acknowledged_by) REFERENCES users (id),
    CONSTRAINT zone_alerts_speed_check CHECK (speed >= 0),
    CONSTRAINT zone_alerts_acknowledged_check CHECK (num_nulls(acknowledged_by, acknowledged_at) IN (0, 2))
);

CREATE INDEX zone_alerts_safety_zone_id_idx ON zone_alerts (safety_zone_id);

CREATE INDEX zone_alerts_vehicle_id_idx ON zone_alerts (vehicle_id);

CREATE INDEX zone_alerts_acknowledged_by_idx ON zone_alerts (acknowledged_by) WHERE acknowledged_by IS NOT NULL;

CREATE INDEX zone_alerts_location_idx ON zone_alerts USING gist (location);

-- The board at the gate: what nobody has looked at yet.
CREATE INDEX zone_alerts_open_idx ON zone_alerts (raised_at) WHERE acknowledged_at IS NULL;
