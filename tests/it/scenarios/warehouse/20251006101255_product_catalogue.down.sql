-- Back to shelves for nothing in particular.
-- Loses the catalogue.
-- stairwell: destructive drops product_barcodes, products, product_categories and units with all their rows

DROP TABLE product_barcodes;

DROP TABLE products;

DROP TABLE product_categories;

DROP TABLE units;
