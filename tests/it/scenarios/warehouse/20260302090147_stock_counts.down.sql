-- Back to believing the books.
-- Loses the counts; the corrections that came of them are movements, and stay.
-- stairwell: destructive drops stock_count_lines and stock_counts with all their rows

DROP TABLE stock_count_lines;

DROP TABLE stock_counts;
