//! The model: what ledger and schema must be after a step, told without a server.

use std::collections::{BTreeMap, BTreeSet};

use stairwell::Rule;
use stairwell::plan::State;

use super::script::{Down, Fault, File, Kind, Up};

/// Where a run is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Head,
    Base,
    Steps(usize),
    Version(u64),
}

/// A run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// `true` allows what is out of order.
    Up(Goal, bool),
    Down(Goal),
    Redo(Goal),
    /// Up or down in a single transaction.
    UpAtOnce(Goal),
    DownAtOnce(Goal),
}

/// A row of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) up: Up,
    pub(super) down: Down,
    pub(super) state: State,
    pub(super) progress: usize,
}

/// What one script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Up(u64, File),
    Down(u64, Kind, Down),
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// That many steps were done.
    Done(usize),
    /// The plan was refused by these rules.
    Conflicts(BTreeSet<String>),
    UnknownVersion,
    NotApplied,
    Behind,
    /// The script of this version failed.
    Script(u64),
    /// Another runner went the other way.
    LedgerMoves,
    /// A script outside of a transaction cannot be part of a single one.
    Unsuitable,
    /// The runner died.
    Crashed,
    /// What no run should say.
    Unexpected(String),
}

/// Files, ledger and what stands in the schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) files: BTreeMap<u64, File>,
    pub(super) rows: BTreeMap<u64, Row>,
    /// Invalid indexes.
    pub(super) debris: BTreeSet<u64>,
    /// Valid indexes.
    pub(super) built: BTreeSet<u64>,
    /// Whether `shop.base` has a value twice, so that no unique index can be built.
    pub(super) duplicates: bool,
}

/// What a run does when nothing disturbs it.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// The steps that get done, each with the state behind it.
    pub(super) steps: Vec<(Step, Model)>,
    /// The step that fails.
    pub(super) failing: Option<Step>,
    /// The state at the end, with what a failed step left.
    pub(super) last: Model,
    pub(super) end: End,
}

impl Model {
    pub(super) fn run(&self, go: Go) -> Course {
        match go {
            Go::Up(goal, allow) => self.follow(self.plan_up(goal, allow)),
            Go::Down(goal) => self.follow(self.plan_down(goal)),
            Go::Redo(goal) => self.redo(goal),
            Go::UpAtOnce(goal) => self.at_once(self.plan_up(goal, false)),
            Go::DownAtOnce(goal) => self.at_once(self.plan_down(goal)),
        }
    }

    pub(super) fn follow(&self, plan: Result<Vec<Step>, End>) -> Course {
        let mut course = Course { steps: Vec::new(), failing: None, last: self.clone(), end: End::Done(0) };
        let plan = match plan {
            Ok(plan) => plan,
            Err(end) => return Course { end, ..course },
        };
        for step in plan {
            if !course.last.apply(step) {
                return Course { failing: Some(step), end: End::Script(step.version()), ..course };
            }
            course.steps.push((step, course.last.clone()));
            course.end = End::Done(course.steps.len());
        }
        course
    }

    /// All of it or nothing.
    fn at_once(&self, plan: Result<Vec<Step>, End>) -> Course {
        let Ok(steps) = &plan else { return self.follow(plan) };
        let is_alone = |step: &Step| {
            matches!(step, Step::Down(_, Kind::Index, _))
                || matches!(step, Step::Up(_, file) if file.up.kind == Kind::Index)
        };
        if steps.iter().any(is_alone) {
            return self.follow(Err(End::Unsuitable));
        }
        let fault = |step: &Step| match step {
            Step::Up(_, file) => file.up.fault,
            Step::Down(_, _, down) if down.fails => Fault::RunTime,
            Step::Down(..) => Fault::None,
        };
        let first = |which: Fault| steps.iter().find(|step| fault(step) == which);
        // The server reads all of the message before it runs any, and what is deferred waits for the end of all.
        let deferred = first(Fault::Deferred).and(steps.last());
        match first(Fault::Syntax).or(first(Fault::RunTime)).or(deferred) {
            Some(step) => Course { failing: Some(*step), ..self.follow(Err(End::Script(step.version()))) },
            None => self.follow(plan),
        }
    }

    fn plan_up(&self, goal: Goal, allow: bool) -> Result<Vec<Step>, End> {
        let mut conflicts = BTreeSet::new();
        for (version, row) in &self.rows {
            match self.files.get(version) {
                None => conflicts.insert(Rule::Missing.name().to_owned()),
                Some(_) if row.state == State::Reverting => conflicts.insert(Rule::Interrupted.name().to_owned()),
                Some(file) if file.up.is_same_code(&row.up) => false,
                Some(_) if row.state == State::Applying && row.progress == 0 => false,
                Some(_) => conflicts.insert(Rule::Edited.name().to_owned()),
            };
        }
        let newest = self.newest();
        let is_pending = |version: &u64| self.rows.get(version).is_none_or(|row| row.state == State::Applying);
        let mut pending: Vec<u64> = self.files.keys().copied().filter(is_pending).collect();
        let late = |version: &u64| newest.is_some_and(|newest| *version < newest) && !self.rows.contains_key(version);
        if !allow && pending.iter().any(late) {
            conflicts.insert(Rule::OutOfOrder.name().to_owned());
        }
        if !conflicts.is_empty() {
            return Err(End::Conflicts(conflicts));
        }
        match goal {
            Goal::Head => {}
            Goal::Base => pending.clear(),
            Goal::Steps(steps) => pending.truncate(steps),
            Goal::Version(version) if !self.files.contains_key(&version) => return Err(End::UnknownVersion),
            Goal::Version(version) if newest > Some(version) && !is_pending(&version) => return Err(End::Behind),
            Goal::Version(version) => pending.retain(|other| *other <= version),
        }
        Ok(pending.into_iter().map(|version| Step::Up(version, self.files[&version])).collect())
    }

    fn plan_down(&self, goal: Goal) -> Result<Vec<Step>, End> {
        let mut versions: Vec<u64> = self.rows.keys().copied().rev().collect();
        match goal {
            Goal::Head => versions.clear(),
            Goal::Base => {}
            Goal::Steps(steps) => versions.truncate(steps),
            Goal::Version(version) if self.rows.contains_key(&version) => versions.retain(|other| *other > version),
            Goal::Version(version) if self.files.contains_key(&version) => return Err(End::NotApplied),
            Goal::Version(_) => return Err(End::UnknownVersion),
        }
        let (mut steps, mut conflicts) = (Vec::new(), BTreeSet::new());
        for version in versions {
            let row = &self.rows[&version];
            let unedited = self.files.get(&version).filter(|file| file.up.is_same_code(&row.up));
            if row.state == State::Applying {
                conflicts.insert(Rule::Interrupted.name().to_owned());
            } else if row.up.kind == Kind::Irreversible {
                conflicts.insert(Rule::MissingDown.name().to_owned());
            } else {
                steps.push(Step::Down(version, row.up.kind, unedited.map_or(row.down, |file| file.down)));
            }
        }
        if conflicts.is_empty() { Ok(steps) } else { Err(End::Conflicts(conflicts)) }
    }

    fn redo(&self, goal: Goal) -> Course {
        let back = match goal {
            Goal::Version(version) if !self.rows.contains_key(&version) => {
                let known = self.files.contains_key(&version);
                return self.follow(Err(if known { End::NotApplied } else { End::UnknownVersion }));
            }
            Goal::Version(version) => {
                self.rows.range(..version).next_back().map_or(Goal::Base, |(version, _)| Goal::Version(*version))
            }
            other => other,
        };
        let plan = match self.plan_down(back) {
            Ok(plan) => plan,
            Err(end) => return self.follow(Err(end)),
        };
        let mut left = self.clone();
        left.rows.retain(|version, _| !plan.iter().any(|step| step.version() == *version));
        if let Err(end) = left.plan_up(Goal::Head, false) {
            return self.follow(Err(end));
        }
        let newest = plan.iter().map(Step::version).max();
        let mut course = self.follow(Ok(plan));
        let (Some(newest), End::Done(undone)) = (newest, &course.end) else {
            return course;
        };
        let goal = if self.files.contains_key(&newest) { Goal::Version(newest) } else { Goal::Head };
        let up = course.last.follow(course.last.plan_up(goal, false));
        let end = if let End::Done(applied) = up.end { End::Done(undone + applied) } else { up.end };
        course.steps.extend(up.steps);
        Course { failing: up.failing, last: up.last, end, ..course }
    }

    /// Does a step; `false` if its script fails.
    fn apply(&mut self, step: Step) -> bool {
        match step {
            Step::Up(version, File { up, down }) => {
                let builds = up.kind == Kind::Index;
                // What an interrupted run has built from another text is not this text's.
                let edited = self.rows.get(&version).is_some_and(|row| !row.up.is_same_code(&up));
                if builds && edited && self.built.contains(&version) {
                    return false;
                }
                // A build looks for what an earlier one left, and clears it away.
                if builds {
                    self.debris.remove(&version);
                }
                let duplicates = builds && up.fault == Fault::None && self.duplicates;
                if duplicates {
                    self.debris.insert(version);
                }
                if duplicates || up.fault != Fault::None {
                    // A refused build is one that has not begun.
                    self.rows.retain(|other, _| !builds || *other != version);
                    return false;
                }
                self.rows.insert(version, Row { up, down, state: State::Applied, progress: 0 });
                self.built.extend(builds.then_some(version));
                true
            }
            Step::Down(_, Kind::Table, Down { fails: true, .. }) => false,
            Step::Down(version, ..) => {
                self.debris.remove(&version);
                self.built.remove(&version);
                self.rows.remove(&version);
                true
            }
        }
    }

    /// The rows that a crash in this run may leave: what some of its first steps make, and the marks of one outside of a transaction.
    pub(super) fn rows_after_crash(&self, go: Go) -> Vec<BTreeMap<u64, Row>> {
        let course = self.run(go);
        let mut allowed = vec![self.rows.clone(), course.last.rows.clone()];
        if matches!(go, Go::UpAtOnce(_) | Go::DownAtOnce(_)) {
            return allowed;
        }
        let mut before = &self.rows;
        let done = course.steps.iter().map(|(step, state)| (*step, Some(&state.rows)));
        for (step, after) in done.chain(course.failing.map(|step| (step, None))) {
            let version = step.version();
            let mark = |state, progress, up, down| {
                let mut rows = before.clone();
                rows.insert(version, Row { up, down, state, progress });
                rows
            };
            let begun = before.get(&version);
            match step {
                Step::Up(_, File { up, down }) if up.kind == Kind::Index => {
                    let from = begun.map_or(0, |row| row.progress);
                    allowed.extend((from..=1).map(|progress| mark(State::Applying, progress, up, down)));
                }
                Step::Down(_, Kind::Index, _) => {
                    if let Some(row) = begun {
                        allowed.extend((0..=1).map(|progress| mark(State::Reverting, progress, row.up, row.down)));
                    }
                }
                _ => {}
            }
            if let Some(after) = after {
                allowed.push(after.clone());
                before = after;
            }
        }
        allowed
    }

    /// The newest applied version.
    fn newest(&self) -> Option<u64> {
        self.rows.iter().rfind(|(_, row)| row.state == State::Applied).map(|(version, _)| *version)
    }
}

impl Step {
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Up(version, _) | Self::Down(version, ..) => *version,
        }
    }
}
