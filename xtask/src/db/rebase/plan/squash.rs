//! One side has squashed what both had: that is no removal.

use stairwell::lock::{Entry, Lock};
use stairwell::migration::{Direction, Script};

use super::{Files, Sides, id_of};
use crate::db::rebase::refusal::Refusal;

/// The sides without what a baseline of one of them squashes, and with the baseline as something that keeps its name.
pub(super) fn settled(sides: &Sides, files: &Files) -> Result<Sides, Refusal> {
    let is_baseline = |entry: &&Entry| {
        let is_old = sides.base.as_ref().is_some_and(|base| base.checksum(&entry.file).is_some());
        let text = || files.find(&entry.file, entry.checksum);
        let squashes = |bytes: &[u8]| {
            let (script, _) = Script::parse(entry.file.clone(), bytes, Direction::Up);
            script.is_some_and(|script| !script.directives().squashes.is_empty())
        };
        entry.direction == Direction::Up && !is_old && text().is_some_and(squashes)
    };
    let both = || sides.theirs.entries().iter().chain(sides.mine.entries());
    let Some(baseline) = both().find(is_baseline).cloned() else { return Ok(sides.clone()) };
    let of_baseline = |entry: &Entry| id_of(entry) == id_of(&baseline);
    let is_squashed = |entry: &Entry| {
        let was_there = match &sides.base {
            Some(base) => base.entries().contains(entry),
            None => !files.here.contains_key(&entry.file),
        };
        entry.version <= baseline.version && !of_baseline(entry) && was_there
    };
    let rest = |lock: &Lock, more: Vec<Entry>| {
        let kept = lock.entries().iter().filter(|entry| !is_squashed(entry) && !of_baseline(entry)).cloned();
        Lock::from_entries(kept.chain(more))
    };
    let mut new: Vec<Entry> = both().filter(|entry| of_baseline(entry)).cloned().collect();
    new.dedup_by(|a, b| a.file == b.file);
    let theirs = rest(&sides.theirs, new);
    // It would come before the baseline, which stands for all that does.
    let late = theirs.entries().iter().find(|entry| entry.version <= baseline.version && !of_baseline(entry));
    if let Some(late) = late {
        return Err(Refusal::BeforeBaseline { file: late.file.clone(), baseline: baseline.file });
    }
    let base = sides.base.as_ref().map(|base| rest(base, Vec::new()));
    Ok(Sides { theirs, mine: rest(&sides.mine, Vec::new()), base })
}
