//! What needs no server: reading, checking and planning.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use stairwell::plan::History;
use stairwell::{MigrationSet, OutOfOrder, Plan, Target};

use crate::chain::Chain;
use crate::clock::{self, Samples};
use crate::table::{Bar, Row, Table};

pub(crate) fn measure(table: &mut Table, rounds: usize, small: &Chain, large: &Chain) -> Result<(), Box<dyn Error>> {
    for (what, applied) in [("all pending", false), ("all applied", true)] {
        let (one, ten) = (check(small, applied, rounds)?, check(large, applied, rounds)?);
        table.add(Row {
            what: format!("read, check, plan 10,000 migrations, {what}"),
            ours: ten.wall.text(),
            bar: Bar::Words("< 1 s", ten.wall.median().as_secs_f64() < 1.0),
            ..Row::default()
        });
        let linear = ten.processor.over(&one.processor) / 10.0;
        table.add(Row {
            what: "the same, processor time; floor: of 1,000; ratio: to 10 times that".to_owned(),
            floor: one.processor.text(),
            ours: ten.processor.text(),
            ratio: Some(linear),
            bar: Bar::Words("linear (≤ 1.5 ×)", linear <= 1.5),
            ..Row::default()
        });
    }
    Ok(())
}

#[derive(Default)]
struct Checked {
    wall: Samples,
    /// The time on a processor: on a busy machine what is short is rarely interrupted and what is long always, so wall clock says
    /// nothing about growth.
    processor: Samples,
}

fn check(chain: &Chain, applied: bool, rounds: usize) -> Result<Checked, Box<dyn Error>> {
    let mut checked = Checked::default();
    let set = MigrationSet::from_directory(chain.migrations())?;
    let head = set.head().filter(|_| applied).map(|migration| migration.version);
    let history = History::assumed(&set, head);
    for _ in 0..rounds {
        let (started, before) = (Instant::now(), clock::on_processor());
        let set = MigrationSet::from_directory(chain.migrations())?;
        black_box(Plan::up(&set, &history, Target::Head, OutOfOrder::Refuse)?);
        let (wall, after) = (started.elapsed(), clock::on_processor());
        checked.wall.add(wall);
        checked.processor.add(before.zip(after).map_or(wall, |(before, after)| after.saturating_sub(before)));
    }
    Ok(checked)
}
