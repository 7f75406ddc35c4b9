-- Back to a map page that asks the tables itself.
-- Loses nothing: a view holds no rows.

DROP VIEW site_stock;
