-- Back to goods that come from nowhere.
-- Loses suppliers and batches; after this no recall can be answered.
-- stairwell: destructive drops batches, supplier_products and suppliers with all their rows

DROP TABLE batches;

DROP TABLE supplier_products;

DROP TABLE suppliers;
