-- Back to a catalogue without stock.
-- Loses what is where, and every movement that led to it.
-- stairwell: destructive drops movement_lines, movements and stock_levels with all their rows

DROP TABLE movement_lines;

DROP TABLE movements;

DROP TABLE stock_levels;
