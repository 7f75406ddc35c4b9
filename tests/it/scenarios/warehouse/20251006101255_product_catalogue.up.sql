-- What can be stored: products in a tree of categories, counted in a unit, found by their bar codes.

CREATE TABLE units (
    code     text PRIMARY KEY,
    name     text NOT NULL,
    decimals smallint NOT NULL DEFAULT 0,
    CONSTRAINT units_code_check CHECK (code ~ '^[a-z0-9]{1,8}$'),
    CONSTRAINT units_decimals_check CHECK (decimals BETWEEN 0 AND 3)
);

COMMENT ON COLUMN units.decimals IS 'Digits behind the point that make sense: none for pieces, three for kilograms.';

INSERT INTO units (code, name, decimals) VALUES
    ('pcs', 'Piece', 0),
    ('kg', 'Kilogram', 3),
    ('l', 'Litre', 3),
    ('m', 'Metre', 2);

CREATE TABLE product_categories (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint,
    name      text NOT NULL,
    CONSTRAINT product_categories_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES product_categories (id),
    CONSTRAINT product_categories_parent_id_check CHECK (parent_id <> id),
    CONSTRAINT product_categories_name_check CHECK (length(btrim(name)) BETWEEN 1 AND 100)
);

-- Two of one name may not be siblings. Nulls differ from each other, so the roots need an index of their own.
CREATE UNIQUE INDEX product_categories_parent_id_name_key ON product_categories (parent_id, lower(name));

CREATE UNIQUE INDEX product_categories_root_name_key ON product_categories (lower(name)) WHERE parent_id IS NULL;

CREATE TABLE products (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku             text NOT NULL,
    name            text NOT NULL,
    category_id     bigint NOT NULL,
    unit_code       text NOT NULL DEFAULT 'pcs',
    storage_kind    text NOT NULL DEFAULT 'ambient',
    weight_kg       numeric(8, 3),
    shelf_life      interval,
    attributes      jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    discontinued_at timestamptz,
    CONSTRAINT products_sku_key UNIQUE (sku),
    CONSTRAINT products_category_id_fkey FOREIGN KEY (category_id) REFERENCES product_categories (id),
    CONSTRAINT products_unit_code_fkey FOREIGN KEY (unit_code) REFERENCES units (code),
    CONSTRAINT products_sku_check CHECK (sku ~ '^[A-Z0-9][A-Z0-9-]{2,31}$'),
    CONSTRAINT products_storage_kind_check CHECK (storage_kind IN ('ambient', 'chilled', 'frozen', 'hazardous')),
    CONSTRAINT products_weight_kg_check CHECK (weight_kg > 0),
    CONSTRAINT products_shelf_life_check CHECK (shelf_life > interval '0'),
    CONSTRAINT products_attributes_check CHECK (jsonb_typeof(attributes) = 'object')
);

COMMENT ON COLUMN products.weight_kg IS 'Of one unit, packing included; null where it varies.';
COMMENT ON COLUMN products.shelf_life IS 'From production to expiry; null for what keeps.';

CREATE INDEX products_category_id_idx ON products (category_id);

-- "contains" queries of the search page; jsonb_path_ops is half the size of the default and answers no others.
CREATE INDEX products_attributes_idx ON products USING gin (attributes jsonb_path_ops);

CREATE TABLE product_barcodes (
    barcode    text PRIMARY KEY,
    product_id bigint NOT NULL,
    quantity   integer NOT NULL DEFAULT 1,
    CONSTRAINT product_barcodes_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE,
    CONSTRAINT product_barcodes_barcode_check CHECK (barcode ~ '^([0-9]{8}|[0-9]{12,14})$'),
    CONSTRAINT product_barcodes_quantity_check CHECK (quantity > 0)
);

COMMENT ON COLUMN product_barcodes.quantity IS 'Units behind the code: a carton has another code than what is in it.';

CREATE INDEX product_barcodes_product_id_idx ON product_barcodes (product_id);
