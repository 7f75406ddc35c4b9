//! What a plan's scripts would lose, by their text alone.

use crate::migration::Direction;
use crate::plan::{Plan, Step};
use crate::sql::{self, DataLoss, Lost, Position};

/// What one statement is about to lose, if there is any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stake {
    pub(super) what: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) lost: Lost,
    pub(super) cascades: bool,
    /// Whether its names mean now what they will mean when it runs.
    pub(super) is_settled: bool,
}

/// What one step is about to lose.
#[derive(Debug)]
pub(super) struct Stakes<'a> {
    pub(super) step: &'a Step,
    /// The line, from 1, that says `destructive`.
    pub(super) line: Option<usize>,
    pub(super) each: Vec<Stake>,
}

/// Whether this step is looked into: a way forward that says so, and every way back.
fn is_judged(step: &Step) -> bool {
    step.direction == Direction::Down || step.script.directives().destructive.is_some()
}

/// Whether there is anything to look up for this plan.
pub(in crate::postgres) fn has_stakes(plan: &Plan) -> bool {
    plan.steps.iter().any(is_judged)
}

/// Of each step that is looked into what it may lose.
pub(super) fn of(plan: &Plan) -> Vec<Stakes<'_>> {
    let last = plan.steps.iter().rposition(is_judged).map_or(0, |last| last + 1);
    let mut is_settled = true;
    let near = plan.steps.iter().take(last);
    let stakes = near.filter_map(|step| {
        let text = step.script.text();
        let split = sql::split(text);
        let review = sql::review(text, &split.statements);
        // What an earlier script renames is not yet there under the name by which a later one drops it.
        is_settled &= !sql::moves(text) && review.opaque.is_empty();
        is_judged(step).then(|| Stakes { step, line: directive(text), each: stakes(step, text, review, is_settled) })
    });
    stakes.collect()
}

fn stakes(step: &Step, text: &str, review: sql::Review, is_settled: bool) -> Vec<Stake> {
    let line = |byte: usize| Position::of(text, byte).line;
    let stake = |loss: DataLoss| Stake {
        line: line(loss.span.start),
        what: loss.what,
        lost: loss.lost,
        cascades: loss.cascades,
        is_settled,
    };
    let unknown =
        |what: &str, line| Stake { what: what.to_owned(), line, lost: Lost::Unknown, cascades: false, is_settled };
    let mut stakes: Vec<Stake> = review.losses.into_iter().map(stake).collect();
    let opaque = review.opaque.into_iter();
    stakes.extend(opaque.map(|opaque| unknown("EXECUTE in a DO block", line(opaque.span.start))));
    if step.script.directives().destructive.is_some() {
        stakes.extend(review.doubtful.into_iter().map(stake));
        // It knows better than the lexer: a function that deletes, an UPDATE whose WHERE is true of everything.
        if stakes.is_empty() && step.direction == Direction::Up {
            stakes.push(unknown("it says `destructive`, and no statement shows why", directive(text).unwrap_or(1)));
        }
    }
    stakes.sort_by_key(|stake| stake.line);
    stakes
}

/// The line, from 1, with the directive.
fn directive(text: &str) -> Option<usize> {
    let is_it = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.trim_start().starts_with("--") && line.contains("stairwell") && line.contains("destructive")
    };
    text.lines().position(is_it).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Script;

    fn plan(direction: Direction, scripts: &[&str]) -> Plan {
        let step = |(n, text): (usize, &&str)| Step {
            direction,
            version: (n + 1).to_string().parse().unwrap(),
            script: Script::parse(format!("{}_a{}", n + 1, direction.suffix()), text.as_bytes(), direction).0.unwrap(),
            down: None,
            resume: None,
        };
        Plan { direction, steps: scripts.iter().enumerate().map(step).collect(), notices: Vec::new() }
    }

    /// The stakes of each judged step: what, line, whether settled.
    fn found(direction: Direction, scripts: &[&str]) -> Vec<(String, usize, bool)> {
        let plan = plan(direction, scripts);
        let all = of(&plan);
        all.into_iter().flat_map(|it| it.each).map(|it| (it.what, it.line, it.is_settled)).collect()
    }

    #[test]
    fn a_way_forward_is_looked_into_that_says_destructive() {
        let drop = "-- stairwell: destructive it is old\n\ndrop table a;\ndelete from b where i = 1;";
        let lost =
            |settled| vec![("DROP TABLE a".to_owned(), 3, settled), ("DELETE FROM b WHERE …".to_owned(), 4, settled)];
        assert_eq!(found(Direction::Up, &["create table a (i int);", drop, "drop table history;"]), lost(true));
        assert_eq!(found(Direction::Up, &["alter table a rename to b;", drop]), lost(false));
        assert_eq!(found(Direction::Up, &["do $$ begin execute x; end $$;", drop]), lost(false));
        assert_eq!(found(Direction::Up, &[drop, "alter table a rename to b;"]), lost(true));
        assert!(!has_stakes(&plan(Direction::Up, &["drop table a;"])));
    }

    #[test]
    fn what_no_statement_shows_is_unknown() {
        let text = "-- why\n-- stairwell: destructive cleans up\nselect clean();";
        assert_eq!(
            found(Direction::Up, &[text]),
            [("it says `destructive`, and no statement shows why".to_owned(), 2, true)]
        );
        let text = "-- stairwell: destructive cleans up\ndo $$ begin execute x; end $$;";
        assert_eq!(found(Direction::Up, &[text]), [("EXECUTE in a DO block".to_owned(), 2, false)]);
    }

    #[test]
    fn every_way_back_is_looked_into() {
        assert_eq!(
            found(Direction::Down, &["alter table b drop a;", "drop table a;", "delete from c where i = 1;"]),
            [("ALTER TABLE b DROP COLUMN a".to_owned(), 1, true), ("DROP TABLE a".to_owned(), 1, true)]
        );
    }
}
