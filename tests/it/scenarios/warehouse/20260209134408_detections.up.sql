-- What a model saw in a photo. Boxes are polygons in pixels, SRID 0: the same operators then find boxes that overlap
-- and shelves that do.

CREATE TABLE detection_models (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    version     text NOT NULL,
    released_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT detection_models_name_version_key UNIQUE (name, version)
);

CREATE TABLE detections (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    photo_id    bigint NOT NULL,
    model_id    bigint NOT NULL,
    product_id  bigint,
    label       text NOT NULL,
    confidence  real NOT NULL,
    outline     geometry (Polygon, 0) NOT NULL,
    floor_point geometry (Point, 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT detections_photo_id_fkey FOREIGN KEY (photo_id) REFERENCES photos (id) ON DELETE CASCADE,
    CONSTRAINT detections_model_id_fkey FOREIGN KEY (model_id) REFERENCES detection_models (id),
    CONSTRAINT detections_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE SET NULL,
    CONSTRAINT detections_confidence_check CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT detections_outline_check CHECK (ST_IsValid(outline) AND ST_XMin(outline) >= 0 AND ST_YMin(outline) >= 0)
);

COMMENT ON COLUMN detections.outline IS 'Pixels from the photo''s upper left corner, y downwards.';
COMMENT ON COLUMN detections.floor_point IS 'Where that is on the floor plan; null where the camera is not calibrated.';

CREATE INDEX detections_photo_id_idx ON detections (photo_id);

CREATE INDEX detections_model_id_idx ON detections (model_id);

CREATE INDEX detections_product_id_idx ON detections (product_id) WHERE product_id IS NOT NULL;

CREATE INDEX detections_outline_idx ON detections USING gist (outline);

CREATE INDEX detections_floor_point_idx ON detections USING gist (floor_point);
