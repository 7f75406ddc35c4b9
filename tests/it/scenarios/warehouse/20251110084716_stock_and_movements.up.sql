-- How much is where, and how it got there. A movement is written once and never changed; stock_levels is the running
-- sum, kept because a picker cannot wait for all of history to be added up.

CREATE TABLE stock_levels (
    position_id bigint NOT NULL,
    product_id  bigint NOT NULL,
    batch_id    bigint NOT NULL,
    quantity    numeric(12, 3) NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_levels_pkey PRIMARY KEY (position_id, batch_id),
    CONSTRAINT stock_levels_position_id_fkey FOREIGN KEY (position_id) REFERENCES positions (id),
    -- Both columns: a batch of another product on this shelf would be two truths.
    CONSTRAINT stock_levels_batch_fkey FOREIGN KEY (product_id, batch_id) REFERENCES batches (product_id, id),
    CONSTRAINT stock_levels_quantity_check CHECK (quantity >= 0)
);

-- "Where do we have it?" asks for what is there, and an empty shelf keeps its row for a while.
CREATE INDEX stock_levels_product_id_idx ON stock_levels (product_id) WHERE quantity > 0;

CREATE INDEX stock_levels_batch_idx ON stock_levels (product_id, batch_id);

CREATE TABLE movements (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    user_id      bigint,
    reference    text,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT movements_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT movements_kind_check CHECK (kind IN ('receipt', 'transfer', 'pick', 'return', 'correction', 'scrap'))
);

COMMENT ON COLUMN movements.user_id IS 'Null for a movement of a machine.';
COMMENT ON COLUMN movements.reference IS 'Order or delivery note, in the words of the system that has it.';

-- Rows arrive in time's order and are read by ranges of time: a few pages here do what a B-tree needs gigabytes for.
CREATE INDEX movements_occurred_at_idx ON movements USING brin (occurred_at);

CREATE INDEX movements_user_id_idx ON movements (user_id) WHERE user_id IS NOT NULL;

CREATE INDEX movements_reference_idx ON movements (reference) WHERE reference IS NOT NULL;

CREATE TABLE movement_lines (
    movement_id      bigint NOT NULL,
    line             smallint NOT NULL,
    product_id       bigint NOT NULL,
    batch_id         bigint NOT NULL,
    from_position_id bigint,
    to_position_id   bigint,
    quantity         numeric(12, 3) NOT NULL,
    CONSTRAINT movement_lines_pkey PRIMARY KEY (movement_id, line),
    CONSTRAINT movement_lines_movement_id_fkey FOREIGN KEY (movement_id) REFERENCES movements (id) ON DELETE CASCADE,
    CONSTRAINT movement_lines_batch_fkey FOREIGN KEY (product_id, batch_id) REFERENCES batches (product_id, id),
    CONSTRAINT movement_lines_from_position_id_fkey FOREIGN KEY (from_position_id) REFERENCES positions (id),
    CONSTRAINT movement_lines_to_position_id_fkey FOREIGN KEY (to_position_id) REFERENCES positions (id),
    CONSTRAINT movement_lines_quantity_check CHECK (quantity > 0),
    -- Null is the world outside; from nowhere to nowhere is no movement, and neither is from a shelf to itself.
    CONSTRAINT movement_lines_positions_check CHECK (from_position_id IS DISTINCT FROM to_position_id)
);

CREATE INDEX movement_lines_batch_idx ON movement_lines (product_id, batch_id);

CREATE INDEX movement_lines_from_position_id_idx ON movement_lines (from_position_id)
    WHERE from_position_id IS NOT NULL;

CREATE INDEX movement_lines_to_position_id_idx ON movement_lines (to_position_id)
    WHERE to_position_id IS NOT NULL;
