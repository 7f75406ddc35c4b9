//! Many migrations in one message, and the way back from a statement's number or a character's to the script it belongs to.

use std::time::Duration;

use tokio_postgres::error::DbError;

use super::failure::{Place, byte_of_error, position};
use super::ledger::{BEGIN, Fence, Ledger, Started, stamped};
use super::migrator::Transactions;
use super::session::Failed;
use crate::migration::{Direction, Mode};
use crate::plan::Step;
use crate::version::Version;

/// Another role must reach neither the ledger's row nor the next script.
pub(super) const RESET_ROLE: &[&str] = &["RESET SESSION AUTHORIZATION;\n", "RESET ROLE;\n"];
/// Settings and temporary tables must not reach the next script.
pub(super) const RESET_REST: &[&str] = &["RESET ALL;\n", "DISCARD TEMP;\n"];

/// The most bytes of SQL in one message, so that a large script does not travel with a hundred others.
const MOST_BYTES: usize = 1 << 20;

/// One message for a run of transactional steps.
#[derive(Debug)]
pub(super) struct Window {
    /// What is sent.
    pub(super) text: String,
    commits: Transactions,
    characters: usize,
    count: usize,
    parts: Vec<Part>,
}

/// One step in a message.
#[derive(Debug)]
struct Part {
    /// The index of the statement that takes the lock, where it begins a transaction.
    begin: Option<usize>,
    /// Characters of the message before the script.
    before: usize,
    /// Characters of the message before what follows the script.
    behind: usize,
    /// The index of the message's statement that is the script's first.
    first: usize,
    /// How many statements the script has.
    count: usize,
    /// The index of the statement that finishes the ledger's row.
    finish: usize,
    /// The index of its last statement: the COMMIT, or of all but the last of a single transaction what comes before it.
    end: usize,
}

/// Where a message failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// In the script of this step of the window.
    Script(usize, Place),
    /// In a statement of the runner's own, for this step of the window.
    Runner(usize),
    /// The server could not take the message in, and with several scripts in it one cannot tell whose fault it is: nothing ran.
    Unknown,
}

/// What the steps of a window have in common.
pub(super) struct Terms<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) program: &'a str,
    pub(super) lock_timeout: Duration,
    /// Settings of each transaction, beside the lock time-out.
    pub(super) settings: &'a [(&'static str, &'static str)],
    /// What of the message commits together.
    pub(super) commits: Transactions,
    /// A statement under the lock of the first transaction, before all else.
    pub(super) guard: Option<&'a str>,
    /// How many steps the run has left, those of the message included.
    pub(super) left: usize,
    /// Whether all of them have to go in this message.
    pub(super) whole_run: bool,
    /// The newest version in the ledger before the first step.
    pub(super) head: Option<Version>,
}

/// Where a step stands in its transaction, and in the run.
#[derive(Debug, Clone, Copy)]
struct Position {
    begins: bool,
    ends: bool,
    last: bool,
    /// The one before it in the message.
    after: Option<Version>,
}

impl Window {
    /// One message for the first of `steps` that go in one: transactional, and not too many bytes. `head_after` gives the newest version in
    /// the ledger behind each step. The last commit of the run waits for the disk and covers all before it.
    pub(super) fn of(steps: &[Step], terms: &Terms<'_>, head_after: impl Fn(usize) -> Option<Version>) -> Self {
        let mut bytes = 0;
        let fits = |step: &&Step| {
            bytes += step.script.text().len();
            let small = bytes <= MOST_BYTES || bytes == step.script.text().len() || terms.whole_run;
            small && step.script.mode() == Mode::Transaction
        };
        let len = steps.iter().take_while(fits).count();
        let steps = steps.get(..len).unwrap_or_default();
        // Where one of a common transaction says SET CONSTRAINTS, the fences of those after it would be checked at once.
        let constraints = |step: &Step| step.script.sets_constraints();
        let together = terms.commits == Transactions::Single;
        let any = together && steps.iter().any(constraints);
        let mut window =
            Self { text: String::new(), commits: terms.commits, characters: 0, count: 0, parts: Vec::new() };
        let mut head = terms.head;
        for (n, step) in steps.iter().enumerate() {
            let fence = if any || constraints(step) { Fence::Open } else { Fence::Closed };
            let after = (n > 0).then(|| steps[n - 1].version);
            let place = Position {
                begins: !together || n == 0,
                ends: !together || n + 1 == len,
                last: n + 1 == terms.left,
                after,
            };
            window.push(step, terms, head, fence, place);
            head = head_after(n);
        }
        window
    }

    fn push(&mut self, step: &Step, terms: &Terms<'_>, head: Option<Version>, fence: Fence, place: Position) {
        let timeout = step.script.lock_timeout().unwrap_or(terms.lock_timeout).as_millis();
        if place.begins {
            self.statement(BEGIN);
        }
        self.statement(&format!("SET LOCAL lock_timeout = {timeout};\n"));
        for (name, value) in terms.settings {
            self.statement(&format!("SET LOCAL {name} = {value};\n"));
        }
        // The lock is the transaction's, so in a common one nothing changes between its migrations.
        let begin = place.begins.then(|| {
            self.statement(&terms.ledger.begin_step(step, head));
            self.count - 1
        });
        if let (None, Some(guard)) = (place.after, terms.guard) {
            self.statement(guard);
        }
        // Only what the lexer sees can end a transaction: in a function or a DO block the server refuses it (2D000).
        let marked = step.script.controls_transaction();
        if marked {
            self.statement(&match step.direction {
                Direction::Up => terms.ledger.begin_up(step, terms.program, fence),
                Direction::Down => terms.ledger.mark_down(step, fence),
            });
        }
        let (before, first) = (self.characters, self.count);
        let script = step.script.to_send();
        self.text(&script);
        let behind = self.characters;
        self.count += step.script.statements().len();
        // A script may end without a semicolon, and in a comment.
        self.text("\n;\n");
        self.statements(RESET_ROLE);
        // Before RESET ALL, which takes the lock time-out back as well: the ledger may be locked.
        let finish = self.count;
        let started = place.after.map_or(Started::WithMessage, Started::Behind);
        self.statement(&stamped(&match step.direction {
            Direction::Up if !marked => terms.ledger.applied(step, terms.program, started),
            _ => terms.ledger.finish(step, marked),
        }));
        self.statements(RESET_REST);
        if !place.last {
            self.statement("SET LOCAL synchronous_commit = off;\n");
        }
        if place.ends {
            // What the script deferred to the commit fails here, and is blamed on it. Between the scripts of a common transaction it would
            // change for the next ones what is deferred.
            self.statement("SET CONSTRAINTS ALL IMMEDIATE;\n");
            self.statement("COMMIT;\n");
        }
        let (count, end) = (step.script.statements().len(), self.count - 1);
        self.parts.push(Part { begin, before, behind, first, count, finish, end });
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(text);
        self.characters += text.chars().count();
    }

    fn statement(&mut self, text: &str) {
        self.text(text);
        self.count += 1;
    }

    fn statements(&mut self, texts: &[&str]) {
        for text in texts {
            self.statement(text);
        }
    }

    /// How many steps it has.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether this statement takes the lock.
    pub(super) fn begins_with(&self, statement: usize) -> bool {
        let n = self.parts.partition_point(|part| part.end < statement);
        self.parts.get(n).is_some_and(|part| part.begin == Some(statement))
    }

    /// The step whose ledger row this statement finishes.
    pub(super) fn finished_by(&self, statement: usize) -> Option<usize> {
        self.parts.binary_search_by_key(&statement, |part| part.finish).ok()
    }

    /// How many steps are committed when this statement has completed, if it is one that commits.
    pub(super) fn committed_by(&self, statement: usize) -> Option<usize> {
        let n = self.parts.binary_search_by_key(&statement, |part| part.end).ok()?;
        (self.commits == Transactions::Each || n + 1 == self.parts.len()).then_some(n + 1)
    }

    /// Where it failed.
    pub(super) fn locate(&self, steps: &[Step], failed: &Failed) -> Location {
        let error = failed.error.as_db_error();
        // The whole message is parsed before any of it runs, so this is some script's text and not the first statement.
        if failed.completed == 0 && self.parts.len() > 1 {
            let position = error.and_then(position);
            let part =
                position.and_then(|at| self.parts.iter().position(|part| (part.before..=part.behind).contains(&at)));
            return match (part, error) {
                (Some(n), Some(error)) => {
                    self.place(n, steps, error).map_or(Location::Unknown, |place| Location::Script(n, place))
                }
                _ => Location::Unknown,
            };
        }
        let Some(n) = self.parts.iter().position(|part| failed.completed <= part.end) else {
            return Location::Unknown;
        };
        let part = &self.parts[n];
        if let Some(place) = error.and_then(|error| self.place(n, steps, error)) {
            return Location::Script(n, place);
        }
        match failed.completed {
            0 => Location::Script(n, Place::Whole),
            at if at < part.first => Location::Runner(n),
            at if at < part.first + part.count => Location::Script(n, Place::Statement(at - part.first)),
            at if at > part.finish => Location::Script(n, Place::End),
            _ => Location::Runner(n),
        }
    }

    /// The place in this step's script that the error's position names.
    fn place(&self, n: usize, steps: &[Step], error: &DbError) -> Option<Place> {
        let (part, step) = (self.parts.get(n)?, steps.get(n)?);
        byte_of_error(error, step.script.text(), part.before).map(Place::Byte)
    }
}
