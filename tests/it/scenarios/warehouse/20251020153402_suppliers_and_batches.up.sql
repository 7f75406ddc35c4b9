-- Goods come in: who sends what, and which batch it was. A recall asks for all of one batch, wherever it is by now.

CREATE TABLE suppliers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    vat_id     text,
    location   geometry (Point, 4326),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suppliers_vat_id_key UNIQUE (vat_id),
    CONSTRAINT suppliers_name_check CHECK (length(btrim(name)) BETWEEN 1 AND 200)
);

COMMENT ON COLUMN suppliers.location IS 'Where lorries start from, for the expected time of arrival; null if unknown.';

CREATE INDEX suppliers_location_idx ON suppliers USING gist (location);

CREATE TABLE supplier_products (
    supplier_id   bigint NOT NULL,
    product_id    bigint NOT NULL,
    supplier_sku  text,
    lead_time     interval NOT NULL DEFAULT interval '7 days',
    CONSTRAINT supplier_products_pkey PRIMARY KEY (supplier_id, product_id),
    CONSTRAINT supplier_products_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers (id) ON DELETE CASCADE,
    CONSTRAINT supplier_products_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE,
    CONSTRAINT supplier_products_lead_time_check CHECK (lead_time >= interval '0')
);

CREATE INDEX supplier_products_product_id_idx ON supplier_products (product_id);

CREATE TABLE batches (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id  bigint NOT NULL,
    supplier_id bigint,
    number      text NOT NULL,
    produced_on date,
    expires_on  date,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT batches_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT batches_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers (id),
    CONSTRAINT batches_product_id_number_key UNIQUE (product_id, number),
    -- Lets a foreign key insist that a batch is one of a given product.
    CONSTRAINT batches_product_id_id_key UNIQUE (product_id, id),
    CONSTRAINT batches_number_check CHECK (length(btrim(number)) BETWEEN 1 AND 64)
);

CREATE INDEX batches_supplier_id_idx ON batches (supplier_id) WHERE supplier_id IS NOT NULL;

-- First expired, first out.
CREATE INDEX batches_expires_on_idx ON batches (product_id, expires_on) WHERE expires_on IS NOT NULL;
