//! The rows of what was measured, each with its bar.

use std::fmt;

/// A row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// What it is measured against, if anything.
    pub(crate) floor: String,
    pub(crate) ours: String,
    pub(crate) ratio: Option<f64>,
    /// The ratio of the processor time of client and server, where it is known.
    pub(crate) processor: Option<f64>,
    pub(crate) bar: Bar,
}

/// What was promised.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Bar {
    /// Nothing; it is shown for comparison.
    #[default]
    None,
    /// The ratio is at most this.
    Ratio(f64),
    /// These words, and whether it is so.
    Words(&'static str, bool),
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a row, and says on stderr that it is there.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("  {}: {} against {}", row.what, row.ours, row.floor);
        self.0.push(row);
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let met = |met: bool| if met { "met" } else { "missed" }.to_owned();
        let (bar, verdict) = match self.bar {
            Bar::None => ("–".to_owned(), String::new()),
            Bar::Ratio(most) => (format!("≤ {most:.1} ×"), met(self.ratio.is_some_and(|ratio| ratio <= most))),
            Bar::Words(words, is_so) => (words.to_owned(), met(is_so)),
        };
        let times = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} ×"));
        let (ratio, processor) = (times(self.ratio), times(self.processor));
        let floor = if self.floor.is_empty() { "–" } else { &self.floor }.to_owned();
        [self.what.clone(), floor, self.ours.clone(), ratio, bar, verdict, processor]
    }
}

/// Markdown, in columns.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "floor", "stairwell", "ratio", "bar", "", "processor"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.0.iter().map(Row::cells)).collect();
        let widths: [usize; 7] =
            std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
        for (n, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
            if n == 0 {
                for width in widths {
                    write!(f, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
