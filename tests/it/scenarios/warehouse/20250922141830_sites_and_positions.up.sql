-- Where things can be: a site, the areas of its floors, and the positions on the shelves in them.
-- Sites are on the map (EPSG:4326). Inside one, the floor plan is what counts: metres from the south-west corner of the
-- building, without a projection, hence SRID 0. A laser measured it, and no map is that exact.

CREATE TABLE sites (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text NOT NULL,
    name       text NOT NULL,
    time_zone  text NOT NULL,
    location   geometry (Point, 4326) NOT NULL,
    boundary   geometry (MultiPolygon, 4326),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sites_code_key UNIQUE (code),
    CONSTRAINT sites_code_check CHECK (code ~ '^[A-Z]{3}[0-9]{2}$'),
    CONSTRAINT sites_name_check CHECK (length(btrim(name)) BETWEEN 1 AND 200),
    -- A boundary that crosses itself makes every later ST_Contains an error, so it is refused where it comes in.
    CONSTRAINT sites_boundary_check CHECK (ST_IsValid(boundary)),
    -- SRID 4326 says degrees, and takes metres without a word.
    CONSTRAINT sites_location_check CHECK (ST_X(location) BETWEEN -180 AND 180 AND ST_Y(location) BETWEEN -90 AND 90)
);

COMMENT ON COLUMN sites.time_zone IS 'IANA name, such as Europe/Berlin: what "today" is at the site.';
COMMENT ON COLUMN sites.boundary IS 'The fence; null until somebody has drawn it.';

CREATE INDEX sites_location_idx ON sites USING gist (location);

CREATE INDEX sites_boundary_idx ON sites USING gist (boundary);

CREATE TABLE storage_areas (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id    bigint NOT NULL,
    code       text NOT NULL,
    floor      smallint NOT NULL DEFAULT 0,
    kind       text NOT NULL,
    footprint  geometry (Polygon, 0) NOT NULL,
    -- Reports sort by it, and a plan is drawn once and read all day.
    area_m2    double precision GENERATED ALWAYS AS (ST_Area(footprint)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT storage_areas_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id),
    CONSTRAINT storage_areas_site_id_code_key UNIQUE (site_id, code),
    CONSTRAINT storage_areas_kind_check CHECK (kind IN ('ambient', 'chilled', 'frozen', 'hazardous', 'dock')),
    CONSTRAINT storage_areas_footprint_check CHECK (ST_IsValid(footprint) AND NOT ST_IsEmpty(footprint))
);

COMMENT ON COLUMN storage_areas.footprint IS 'On the floor plan: metres from the building''s south-west corner.';

CREATE INDEX storage_areas_footprint_idx ON storage_areas USING gist (footprint);

CREATE TABLE positions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_area_id bigint NOT NULL,
    code            text NOT NULL,
    location        geometry (PointZ, 0) NOT NULL,
    max_weight_kg   numeric(8, 2),
    is_blocked      boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT positions_storage_area_id_fkey FOREIGN KEY (storage_area_id) REFERENCES storage_areas (id),
    CONSTRAINT positions_storage_area_id_code_key UNIQUE (storage_area_id, code),
    CONSTRAINT positions_max_weight_kg_check CHECK (max_weight_kg > 0)
);

COMMENT ON COLUMN positions.location IS 'Middle of the shelf space; Z is its height over the floor in metres.';

CREATE INDEX positions_location_idx ON positions USING gist (location);

-- A check cannot look into another table, and a shelf that stands outside of its area sends people to the wrong aisle.
CREATE FUNCTION check_position_in_area() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM storage_areas AS area WHERE area.id = NEW.storage_area_id AND ST_Covers(area.footprint, NEW.location);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'position % is outside of its storage area', NEW.code
            USING ERRCODE = 'check_violation', TABLE = 'positions', COLUMN = 'location';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER positions_check_in_area
    BEFORE INSERT OR UPDATE OF location, storage_area_id ON positions
    FOR EACH ROW
    EXECUTE FUNCTION check_position_in_area();
