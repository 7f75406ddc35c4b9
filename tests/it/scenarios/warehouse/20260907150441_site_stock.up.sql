-- The figures of the map page: each site with what lies in it, in one place instead of in three queries.

CREATE VIEW site_stock AS
SELECT
    sites.id AS site_id,
    sites.code,
    sites.location,
    sum(storage_areas.area_m2) AS area_m2,
    sum(stock.positions) AS positions,
    sum(stock.occupied) AS occupied,
    sum(stock.batches) AS batches
FROM sites
INNER JOIN storage_areas ON storage_areas.site_id = sites.id
CROSS JOIN LATERAL (
    SELECT
        count(DISTINCT positions.id) AS positions,
        count(DISTINCT stock_levels.position_id) AS occupied,
        count(DISTINCT stock_levels.batch_id) AS batches
    FROM positions
    LEFT JOIN stock_levels ON stock_levels.position_id = positions.id AND stock_levels.quantity > 0
    WHERE positions.storage_area_id = storage_areas.id
) AS stock
GROUP BY sites.id, sites.code, sites.location;

COMMENT ON COLUMN site_stock.batches IS 'A batch in two areas counts twice: the map asks how much there is to do.';
