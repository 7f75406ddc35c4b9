-- Once a year, and more often where the cameras disagree, somebody counts.

CREATE TABLE stock_counts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_area_id bigint NOT NULL,
    started_by      bigint NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT now(),
    closed_at       timestamptz,
    CONSTRAINT stock_counts_storage_area_id_fkey FOREIGN KEY (storage_area_id) REFERENCES storage_areas (id),
    CONSTRAINT stock_counts_started_by_fkey FOREIGN KEY (started_by) REFERENCES users (id),
    CONSTRAINT stock_counts_closed_at_check CHECK (closed_at >= started_at)
);

-- Two open counts of one area would correct each other.
CREATE UNIQUE INDEX stock_counts_open_key ON stock_counts (storage_area_id) WHERE closed_at IS NULL;

CREATE INDEX stock_counts_started_by_idx ON stock_counts (started_by);

CREATE TABLE stock_count_lines (
    stock_count_id bigint NOT NULL,
    position_id    bigint NOT NULL,
    batch_id       bigint NOT NULL,
    expected       numeric(12, 3) NOT NULL,
    counted        numeric(12, 3),
    counted_by     bigint,
    counted_at     timestamptz,
    CONSTRAINT stock_count_lines_pkey PRIMARY KEY (stock_count_id, position_id, batch_id),
    CONSTRAINT stock_count_lines_stock_count_id_fkey
        FOREIGN KEY (stock_count_id) REFERENCES stock_counts (id) ON DELETE CASCADE,
    CONSTRAINT stock_count_lines_position_id_fkey FOREIGN KEY (position_id) REFERENCES positions (id),
    CONSTRAINT stock_count_lines_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES batches (id),
    CONSTRAINT stock_count_lines_counted_by_fkey FOREIGN KEY (counted_by) REFERENCES users (id),
    CONSTRAINT stock_count_lines_quantities_check CHECK (expected >= 0 AND counted >= 0),
    -- All three or none: a number that nobody stands for is no count.
    CONSTRAINT stock_count_lines_counted_check CHECK (num_nulls(counted, counted_by, counted_at) IN (0, 3))
);

COMMENT ON COLUMN stock_count_lines.expected IS
    'stock_levels.quantity when the count was opened; the counter does not see it.';

CREATE INDEX stock_count_lines_position_id_idx ON stock_count_lines (position_id);

CREATE INDEX stock_count_lines_batch_id_idx ON stock_count_lines (batch_id);

CREATE INDEX stock_count_lines_counted_by_idx ON stock_count_lines (counted_by) WHERE counted_by IS NOT NULL;
