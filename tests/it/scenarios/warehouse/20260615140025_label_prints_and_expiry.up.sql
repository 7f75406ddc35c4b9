-- Labels carry an expiry date from now on, and a batch that expires before it was made has shown up in production.
-- The check is NOT VALID: it holds for every new row at once, and nobody waits while the old ones are read.

CREATE TABLE label_prints (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id   bigint NOT NULL,
    printer    text NOT NULL,
    copies     smallint NOT NULL DEFAULT 1,
    printed_by bigint,
    printed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT label_prints_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES batches (id) ON DELETE CASCADE,
    CONSTRAINT label_prints_printed_by_fkey FOREIGN KEY (printed_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT label_prints_copies_check CHECK (copies BETWEEN 1 AND 1000)
);

CREATE INDEX label_prints_batch_id_idx ON label_prints (batch_id);

CREATE INDEX label_prints_printed_by_idx ON label_prints (printed_by) WHERE printed_by IS NOT NULL;

ALTER TABLE batches ADD CONSTRAINT batches_expires_on_check CHECK (expires_on >= produced_on) NOT VALID;
