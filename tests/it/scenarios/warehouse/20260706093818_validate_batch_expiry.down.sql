-- Back to a check of new rows only. Nothing marks a check as not valid again, so it is dropped and added in one
-- statement.
-- Loses nothing.

ALTER TABLE batches
    DROP CONSTRAINT batches_expires_on_check,
    ADD CONSTRAINT batches_expires_on_check CHECK (expires_on >= produced_on) NOT VALID;
