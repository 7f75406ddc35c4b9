//! Many migrations in one message, and the way back from a statement's number or a character's to the script it belongs to.

use std::time::Duration;

use super::failure::{Place, byte_of_error};
use super::ledger::{BEGIN, Ledger};
use super::session::Failed;
use crate::migration::{Direction, Mode};
use crate::plan::Step;
use crate::version::Version;

/// What must not reach the next script or the ledger's row: constraints still to check, another role, settings, temporary tables.
pub(super) const RESTORE: [&str; 4] =
    ["RESET SESSION AUTHORIZATION;\n", "RESET ROLE;\n", "RESET ALL;\n", "DISCARD TEMP;\n"];

/// The most bytes of SQL in one message, so that a large script does not travel with a hundred others.
const MOST_BYTES: usize = 1 << 20;

/// One message for a run of transactional steps.
#[derive(Debug)]
pub(super) struct Window {
    /// What is sent.
    pub(super) text: String,
    characters: usize,
    statements: usize,
    parts: Vec<Part>,
}

/// One step in a message.
#[derive(Debug)]
struct Part {
    /// Characters of the message before the script.
    before: usize,
    /// The index of the message's statement that is the script's first.
    first: usize,
    /// How many statements the script has.
    count: usize,
    /// The index of the statement that finishes the ledger's row.
    finish: usize,
    /// The index of the COMMIT.
    commit: usize,
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
    /// The newest version in the ledger before the first step.
    pub(super) head: Option<Version>,
}

impl Window {
    /// The first of `steps` that go together: transactional, at most `most`, not too many bytes. `rows` gives the newest version
    /// in the ledger behind each step. The last commit of the run waits for the disk and covers all before it.
    pub(super) fn of(
        steps: &[Step<'_>],
        most: usize,
        terms: &Terms<'_>,
        head_after: impl Fn(usize) -> Option<Version>,
    ) -> Self {
        let mut window = Self { text: String::new(), characters: 0, statements: 0, parts: Vec::new() };
        let mut head = terms.head;
        for (n, step) in steps.iter().take(most).enumerate() {
            let full = n > 0 && window.text.len() + step.script.text.len() > MOST_BYTES;
            if full || step.script.mode == Mode::Statements {
                break;
            }
            window.push(step, terms, head, n + 1 == steps.len());
            head = head_after(n);
        }
        window
    }

    fn push(&mut self, step: &Step<'_>, terms: &Terms<'_>, head: Option<Version>, last_of_run: bool) {
        let timeout = step.script.lock_timeout().unwrap_or(terms.lock_timeout).as_millis();
        self.statement(BEGIN);
        self.statement(&format!("SET LOCAL lock_timeout = {timeout};\n"));
        self.statement("SET LOCAL statement_timeout = 0;\n");
        self.statement(&terms.ledger.guard_step(step, head));
        self.statement(&match step.direction {
            Direction::Up => terms.ledger.begin_up(step, terms.program),
            Direction::Down => terms.ledger.time_down(step),
        });
        let (before, first) = (self.characters, self.statements);
        let script = step.script.to_send();
        self.text(&script);
        self.statements += step.script.statements.len();
        // A script may end without a semicolon, and in a comment.
        self.text("\n;\n");
        self.statement("SET CONSTRAINTS ALL IMMEDIATE;\n");
        for statement in RESTORE {
            self.statement(statement);
        }
        if !last_of_run {
            self.statement("SET LOCAL synchronous_commit = off;\n");
        }
        let finish = self.statements;
        self.statement(&terms.ledger.finish(step));
        let commit = self.statements;
        self.statement("COMMIT;\n");
        self.parts.push(Part { before, first, count: step.script.statements.len(), finish, commit });
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(text);
        self.characters += text.chars().count();
    }

    fn statement(&mut self, text: &str) {
        self.text(text);
        self.statements += 1;
    }

    /// How many steps it has.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The step whose ledger row this statement finishes.
    pub(super) fn finished_by(&self, statement: usize) -> Option<usize> {
        self.parts.binary_search_by_key(&statement, |part| part.finish).ok()
    }

    /// The step that this statement commits.
    pub(super) fn committed_by(&self, statement: usize) -> Option<usize> {
        self.parts.binary_search_by_key(&statement, |part| part.commit).ok()
    }

    /// Where it failed.
    pub(super) fn locate(&self, steps: &[Step<'_>], failed: &Failed) -> Location {
        let server = failed.error.as_db_error();
        if failed.completed == 0 && self.parts.len() > 1 {
            return Location::Unknown;
        }
        let Some(n) = self.parts.iter().position(|part| failed.completed <= part.commit) else {
            return Location::Unknown;
        };
        let part = &self.parts[n];
        if let (Some(error), Some(step)) = (server, steps.get(n))
            && let Some(byte) = byte_of_error(error, &step.script.text, part.before)
        {
            return Location::Script(n, Place::Byte(byte));
        }
        match failed.completed {
            // The whole message is parsed before any of it runs, so this is the text's fault and not BEGIN's.
            0 => Location::Script(n, Place::Whole),
            at if at < part.first => Location::Runner(n),
            at if at < part.first + part.count => Location::Script(n, Place::Statement(at - part.first)),
            at if at == part.first + part.count || at == part.commit => Location::Script(n, Place::End),
            _ => Location::Runner(n),
        }
    }
}
