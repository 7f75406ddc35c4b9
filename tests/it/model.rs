//! A model test: any sequence of runs, crashes and edits, against what ledger and schema must be after each.
//!
//! `PROPTEST_CASES=10000 cargo test --test it -- model` runs more and other cases than the usual 60. A sequence that fails is made as short as
//! it can be and printed, and its seed is kept in `proptest-regressions/model.txt`, which later runs try first: to reproduce it, run
//! the same command again; to see every step of it, set `STAIRWELL_MODEL_TRACE=1`.

pub(crate) mod child;
mod script;
mod state;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestError;
use stairwell::plan::State;

use self::script::{Down, FUSES, Fault, File, Kind, Up, fill_factor};
use self::state::{End, Go, Goal, Model, Row, Step};
use self::world::{Fate, Seen, Trace, World};
use crate::harness::{Outcome, random};

crate::trials!(
    any_sequence_of_runs_crashes_and_edits_ends_as_the_model_says,
    an_index_script_that_is_edited_after_a_kill_is_not_recorded_for_the_index_of_the_old_text,
);

/// Versions are 1 to this.
const NEWEST: u64 = 6;

/// One step of a sequence.
#[derive(Debug, Clone)]
enum Action {
    /// A run, and what befalls it.
    Run(Go, Fate),
    /// Two runs at once, and what befalls the first.
    Together([Go; 2], Fate),
    /// A new pair of files, at the end or in between.
    Add(u64, Kind),
    Remove(u64),
    /// Another text for the up script.
    Edit(u64),
    EditComment(u64),
    EditDown(u64),
    Break(u64, Fault),
    BreakDown(u64),
    /// Makes both scripts of a pair work again.
    Mend(u64),
    /// Puts a value into the table twice, or takes it out again.
    Duplicates(bool),
}

fn any_sequence_of_runs_crashes_and_edits_ends_as_the_model_says() -> Outcome {
    let mut world = World::new()?;
    let world = std::cell::RefCell::new(&mut world);
    let outcome = random::runner("model", 60, 2_000)
        .run(&(any_files(), prop::collection::vec(any_action(), 1..12)), |(files, actions)| {
            Case::begin(&mut world.borrow_mut(), files).run(&actions)
        });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, (files, actions))) => {
            let steps: Vec<String> = actions.iter().enumerate().map(|(n, action)| format!("{n}: {action:?}")).collect();
            panic!("{why}\nfiles {files:?}\n{}\n", steps.join("\n"));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn an_index_script_that_is_edited_after_a_kill_is_not_recorded_for_the_index_of_the_old_text() -> Outcome {
    const UP: Go = Go::Up(Goal::Head, false);
    let mut world = World::new()?;
    for at in 0.. {
        let mut case = Case::begin(&mut world, BTreeMap::from([(1, Kind::Index)]));
        case.run(&[Action::Run(UP, Fate::Killed(at))]).unwrap();
        // The point lies behind the run's end.
        if !case.died {
            assert!(at > 20, "there are only {at} points");
            break;
        }
        if let Err(why) = case.run(&[Action::Edit(1), Action::Run(UP, Fate::Well)]) {
            panic!("killed at point {at}: {why}");
        }
    }
    Ok(())
}

fn any_files() -> impl Strategy<Value = BTreeMap<u64, Kind>> {
    prop::collection::btree_map(1..=NEWEST, any_kind(), 1..6)
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![6 => Just(Kind::Table), 1 => Just(Kind::Irreversible), 4 => Just(Kind::Index)]
}

fn any_goal() -> impl Strategy<Value = Goal> {
    prop_oneof![
        4 => Just(Goal::Head),
        1 => Just(Goal::Base),
        2 => (1..4_usize).prop_map(Goal::Steps),
        2 => (1..=NEWEST).prop_map(Goal::Version),
    ]
}

fn any_way_back() -> impl Strategy<Value = Goal> {
    prop_oneof![2 => Just(Goal::Base), 4 => (1..4_usize).prop_map(Goal::Steps), 3 => (1..=NEWEST).prop_map(Goal::Version)]
}

fn any_go() -> impl Strategy<Value = Go> {
    prop_oneof![
        4 => (any_goal(), prop::bool::weighted(0.2)).prop_map(|(goal, allow)| Go::Up(goal, allow)),
        2 => any_way_back().prop_map(Go::Down),
        1 => any_way_back().prop_map(Go::Redo),
    ]
}

/// What one of two at once does not do: it would be all, nothing, or what the other one has left of it.
fn any_go_alone() -> impl Strategy<Value = Go> {
    prop_oneof![
        6 => any_go(),
        1 => any_goal().prop_map(Go::UpAtOnce),
        1 => any_way_back().prop_map(Go::DownAtOnce),
    ]
}

fn any_death() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => (1..10_u32).prop_map(Fate::AtEvent),
        6 => (1..=FUSES * 5).prop_map(Fate::InScript),
        3 => Just(Fate::InBuild),
        8 => (0..45_u32).prop_map(Fate::Killed),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    let version = || 1..=NEWEST;
    let fault = prop::sample::select(vec![Fault::Syntax, Fault::RunTime, Fault::Deferred]);
    prop_oneof![
        24 => any_go_alone().prop_map(|go| Action::Run(go, Fate::Well)),
        12 => (any_go_alone(), any_death()).prop_map(|(go, fate)| Action::Run(go, fate)),
        1 => (any_go_alone(), 1..FUSES * 3).prop_map(|(go, at)| Action::Run(go, Fate::Cut(at))),
        1 => (any_go_alone(), 0..30_u32).prop_map(|(go, at)| Action::Run(go, Fate::CutAt(at))),
        8 => (any_go(), any_go()).prop_map(|(one, other)| Action::Together([one, other], Fate::Well)),
        4 => (any_goal(), any_goal(), any_death())
            .prop_map(|(one, other, fate)| Action::Together([Go::Up(one, false), Go::Up(other, false)], fate)),
        8 => (version(), any_kind()).prop_map(|(version, kind)| Action::Add(version, kind)),
        3 => version().prop_map(Action::Remove),
        6 => version().prop_map(Action::Edit),
        2 => version().prop_map(Action::EditComment),
        2 => version().prop_map(Action::EditDown),
        3 => (version(), fault).prop_map(|(version, fault)| Action::Break(version, fault)),
        2 => version().prop_map(Action::BreakDown),
        5 => version().prop_map(Action::Mend),
        3 => any::<bool>().prop_map(Action::Duplicates),
    ]
}

type Check = Result<(), TestCaseError>;

/// One sequence under way.
struct Case<'a> {
    world: &'a mut World,
    model: Model,
    seen: Seen,
    /// Every text of a case is a new one, and its number is the revision.
    revision: u32,
    traced: bool,
    /// Whether a run died.
    died: bool,
}

impl<'a> Case<'a> {
    fn begin(world: &'a mut World, kinds: BTreeMap<u64, Kind>) -> Self {
        world.begin();
        let mut case = Self {
            world,
            model: Model::default(),
            seen: Seen::default(),
            revision: 0,
            traced: std::env::var_os("STAIRWELL_MODEL_TRACE").is_some(),
            died: false,
        };
        for (version, kind) in kinds {
            case.add(version, kind);
        }
        case
    }

    fn add(&mut self, version: u64, kind: Kind) {
        self.revision += 1;
        let revision = self.revision;
        let up = Up { kind, revision, comment: 0, fault: Fault::None };
        self.model.files.entry(version).or_insert(File { up, down: Down { revision, fails: false } });
    }

    fn run(&mut self, actions: &[Action]) -> Check {
        for (n, action) in actions.iter().enumerate() {
            if self.traced {
                eprintln!("{n}: {action:?}");
            }
            self.act(action).map_err(|error| match error {
                TestCaseError::Fail(why) => TestCaseError::fail(format!("action {n}, {action:?}: {why}")),
                reject @ TestCaseError::Reject(_) => reject,
            })?;
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Check {
        self.revision += 1;
        let revision = self.revision;
        let rows = &self.model.rows;
        // Of what is under way no other kind is made: what the earlier text has built would stay, and nobody looks for it.
        let is_under_way = |version: &u64| rows.get(version).is_some_and(|row| row.state == State::Applying);
        let mut change = |version: &u64, change: &dyn Fn(&mut File)| {
            if let Some(file) = self.model.files.get_mut(version) {
                change(file);
            }
        };
        match action {
            Action::Run(go, fate) => return self.go(*go, *fate),
            Action::Together(goes, fate) => return self.together(*goes, *fate),
            Action::Add(version, kind) => self.add(*version, *kind),
            Action::Remove(version) if is_under_way(version) => {}
            Action::Remove(version) => {
                self.model.files.remove(version);
            }
            Action::Edit(version) => change(version, &|file| file.up.revision = revision),
            Action::EditComment(version) => change(version, &|file| file.up.comment = revision),
            Action::EditDown(version) => change(version, &|file| file.down.revision = revision),
            Action::Break(version, fault) => change(version, &|file| file.up.fault = *fault),
            Action::BreakDown(version) => change(version, &|file| file.down.fails = true),
            Action::Mend(version) => change(version, &|file| {
                file.up.fault = Fault::None;
                file.down.fails = false;
            }),
            Action::Duplicates(true) => {
                // A unique index refuses it, a valid one or one that is not.
                let _ = self.world.sql("insert into shop.base values (1)");
                self.seen = self.world.look();
                self.model.duplicates = self.seen.duplicates;
            }
            Action::Duplicates(false) => {
                self.world.sql("truncate shop.base; insert into shop.base values (1), (2), (3)").unwrap();
                self.seen = self.world.look();
                self.model.duplicates = false;
            }
        }
        Ok(())
    }

    /// One run, after which everything is as the model says; or, if it died, as it says for some point of it.
    fn go(&mut self, go: Go, fate: Fate) -> Check {
        let course = self.model.run(go);
        let (end, done) = self.world.go(&self.model, go, fate);
        let steps: Vec<Step> = course.steps.iter().map(|(step, _)| *step).collect();
        self.died |= end == End::Crashed;
        if end == End::Crashed {
            prop_assert!(!matches!(fate, Fate::Well | Fate::Cut(_) | Fate::CutAt(_)), "it died by itself");
            let allowed = self.model.rows_after_crash(go);
            let ran = self.adopt(|version| steps.iter().any(|step| step.version() == version))?;
            prop_assert!(traces(&steps).starts_with(&ran), "{:?} of {:?}", ran, traces(&steps));
            prop_assert!(
                allowed.iter().any(|rows| same(rows, &self.model.rows)),
                "the ledger has {:?}",
                self.model.rows
            );
            return Ok(());
        }
        prop_assert_eq!(&end, &course.end, "how it ended");
        prop_assert_eq!(done, steps.len(), "what it says it did");
        let ran = self.adopt(|version| steps.iter().any(|step| step.version() == version))?;
        prop_assert_eq!(ran, traces(&steps), "what ran");
        prop_assert!(same(&course.last.rows, &self.model.rows), "{:?} and not {:?}", self.model.rows, course.last.rows);
        prop_assert_eq!(&self.model.debris, &course.last.debris, "invalid indexes");
        Ok(())
    }

    /// Two runs at once. Where both go up, they come as far as the one that goes further.
    fn together(&mut self, goes: [Go; 2], fate: Fate) -> Check {
        let goes = match goes {
            // Steps count from where the other one is by then, and what is out of order is no longer when the other one has done it.
            [Go::Up(one, allow), Go::Up(other, _)] => [one, other].map(|goal| Go::Up(absolute(goal), allow)),
            other => other,
        };
        let both_up = matches!(goes, [Go::Up(..), Go::Up(..)]);
        let before = self.model.clone();
        let courses = goes.map(|go| before.run(go));
        let ends = self.world.together(&before, goes, fate).map(|(end, _)| end);
        for (end, course) in ends.iter().zip(&courses) {
            let fine = match end {
                End::Unexpected(_) => false,
                End::Crashed => fate != Fate::Well,
                End::Done(_) | End::Behind => true,
                // Who goes the other way may change any plan.
                _ => !both_up || *end == course.end,
            };
            prop_assert!(fine, "one of two ended with {end:?}, alone it would be {:?}", course.end);
        }
        let mut steps: Vec<Step> =
            courses.iter().flat_map(|course| course.steps.iter().map(|(step, _)| *step)).collect();
        steps.sort_by_key(Step::version);
        steps.dedup();
        if !both_up {
            // The second may begin where the first one has come to, and do what it would not have done before.
            return self.adopt(|_| true).map(drop);
        }
        let ran = self.adopt(|version| steps.iter().any(|step| step.version() == version))?;
        prop_assert!(traces(&steps).starts_with(&ran), "{:?} of {:?}", ran, traces(&steps));
        for (end, course) in ends.iter().zip(&courses) {
            let done = |(step, _): &(Step, Model)| {
                self.model.rows.get(&step.version()).is_some_and(|row| row.state == State::Applied)
            };
            prop_assert!(
                *end == End::Crashed || course.steps.iter().all(done),
                "{end:?}, and the ledger has {:?}",
                self.model.rows
            );
        }
        let whole = before.follow(Ok(steps)).last.rows;
        let allowed: Vec<_> = goes.iter().flat_map(|go| before.rows_after_crash(*go)).chain([whole]).collect();
        prop_assert!(allowed.iter().any(|rows| same(rows, &self.model.rows)), "the ledger has {:?}", self.model.rows);
        Ok(())
    }

    /// Looks at what is there, and makes it the model's state. Ledger, tables, indexes and what ran must tell the same story, whatever
    /// it is; an index that no step was about is the one that it was. Gives what ran since the last look.
    fn adopt(&mut self, touched: impl Fn(u64) -> bool) -> Result<Vec<Trace>, TestCaseError> {
        let seen = self.world.look();
        let rows = self.world.rows_of(&seen);
        if self.traced {
            eprintln!("   {rows:?}, indexes {:?}, ran {:?}", seen.indexes, seen.ran);
        }
        prop_assert!(seen.ran.starts_with(&self.seen.ran), "what ran is never taken back");
        let is_index = |row: &Row| row.up.kind == Kind::Index;
        for version in 1..=NEWEST {
            let row = rows.get(&version);
            let of_this: Vec<&str> = seen.ran.iter().filter(|ran| ran.0 == version).map(|ran| ran.1.as_str()).collect();
            let alternate = of_this.iter().enumerate().all(|(n, what)| *what == ["up", "down"][n % 2]);
            prop_assert!(alternate, "{version} ran {of_this:?}");
            let table = row.filter(|row| !is_index(row));
            prop_assert_eq!(
                of_this.len() % 2 == 1,
                table.is_some(),
                "{} ran {:?}, and its row is {:?}",
                version,
                of_this,
                row
            );
            prop_assert_eq!(
                seen.tables.get(&version).copied(),
                table.map(|row| row.up.revision),
                "the table of {}",
                version
            );
            prop_assert!(
                table.is_none_or(|row| row.state == State::Applied),
                "{version} is in a transaction, and {row:?}"
            );
            let index = seen.indexes.get(&version);
            let valid = index.filter(|index| index.0).map(|index| index.1);
            match row.filter(|row| is_index(row)) {
                None => prop_assert_eq!(valid, None, "the index of {} has no row", version),
                Some(row) if row.state == State::Applied || (row.state == State::Applying && row.progress > 0) => {
                    prop_assert_eq!(valid, Some(fill_factor(row.up.revision)), "the index of {}, {:?}", version, row);
                    let old = self.seen.indexes.get(&version);
                    prop_assert!(touched(version) || old == index, "{version} was built again");
                }
                // Half-way, it is what it is.
                Some(_) => {}
            }
        }
        let ran = seen.ran[self.seen.ran.len()..].to_vec();
        let indexes =
            |valid| seen.indexes.iter().filter(move |(_, index)| index.0 == valid).map(|(version, _)| *version);
        (self.model.debris, self.model.built) = (indexes(false).collect(), indexes(true).collect());
        (self.model.rows, self.seen) = (rows, seen);
        Ok(ran)
    }
}

fn absolute(goal: Goal) -> Goal {
    if let Goal::Steps(_) = goal { Goal::Head } else { goal }
}

/// What these steps write into `trace.ran`.
fn traces(steps: &[Step]) -> Vec<Trace> {
    let trace = |step: &Step| match step {
        Step::Up(_, file) if file.up.kind == Kind::Index => None,
        Step::Up(version, file) => Some((*version, "up".to_owned(), file.up.revision)),
        Step::Down(_, Kind::Index, _) => None,
        Step::Down(version, _, down) => Some((*version, "down".to_owned(), down.revision)),
    };
    steps.iter().filter_map(trace).collect()
}

/// Whether two ledgers are the same; a migration with no way back keeps no down script.
fn same(these: &BTreeMap<u64, Row>, others: &BTreeMap<u64, Row>) -> bool {
    let shape = |rows: &BTreeMap<u64, Row>| {
        let shape = |(version, row): (&u64, &Row)| {
            (*version, row.up, row.down.text(*version, row.up.kind), row.state, row.progress)
        };
        rows.iter().map(shape).collect::<Vec<_>>()
    };
    shape(these) == shape(others)
}
