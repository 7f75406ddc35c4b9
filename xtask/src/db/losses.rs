//! What a run would lose: shown before it goes, and leave for it.

use stairwell::postgres::{Amount, Database, Destructive, Losses, NotAllowed, RecoveryPoint, RunError, RunErrorKind};

use crate::db::guard::{self, Answer};
use crate::failure::{Code, Failure};
use crate::terminal::say;

/// Who has given leave to lose data.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Leave {
    /// Apply also what loses data. A script that drops or overwrites some says so itself (`-- stairwell: destructive <reason>`), and this never
    /// stands for that; without it a person is shown what would go, and asked. Tables that are empty, or new, need no leave
    #[arg(long)]
    allow_destructive: bool,
}

impl Leave {
    pub(super) fn destructive(self) -> Destructive {
        if self.allow_destructive { Destructive::Allow } else { Destructive::Refuse }
    }
}

/// Each loss in a line of its own, below a heading such as `down would lose data of …`.
pub(super) fn text(heading: &str, losses: &[Losses]) -> String {
    let width = losses.iter().map(|it| it.id.len()).max().unwrap_or(0);
    let lines = losses.iter().flat_map(|it| it.losses.iter().map(move |loss| format!("  {:<width$}  {loss}", it.id)));
    std::iter::once(heading.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Shows what a command would lose, if it would lose something.
pub(super) fn show(command: &str, database: &Database, losses: &[Losses]) {
    if !losses.is_empty() {
        say(&text(&format!("{command} would lose data of {database}:"), losses));
    }
}

/// Says where the server's log is, for who has to come back to before this.
pub(super) fn say_recovery_point(database: &Database) {
    say(&format!("before this: {}", RecoveryPoint::line(&RecoveryPoint::of(database))));
}

/// What a run was refused for, if it was for this.
pub(super) fn refused(error: &RunError) -> Option<&NotAllowed> {
    match &error.kind {
        RunErrorKind::Destructive(refused) => Some(refused),
        _ => None,
    }
}

/// Shows a person what would go, and asks for the database's name, or that of the environment that it is marked with: what is typed without
/// thought is not that. It is leave for what was shown.
pub(super) fn consent(command: &str, database: &Database, refused: &NotAllowed) -> Result<Destructive, Failure> {
    let heading = format!("{command} would lose data of {database}:");
    let mark = guard::mark(database)?;
    let (whose, word) = match &mark {
        Some(mark) => ("environment's", mark.environment.as_str()),
        None => ("database's", database.name()),
    };
    let question = format!("{}\nType the {whose} name to go on:", text(&heading, &refused.losses));
    match guard::ask(&question) {
        Answer::Said(name) if name == word => {
            Ok(Destructive::These(refused.losses.iter().map(|it| it.version).collect()))
        }
        Answer::Said(_) => {
            let of = if mark.is_some() { "the environment of " } else { "" };
            Err(Failure::new(Code::Refused, format!("the name given is not that of {of}{database}; nothing was done")))
        }
        Answer::NobodyToAsk(why) => Err(Failure::new(
            Code::Refused,
            format!("{refused}\n  = note: nobody was asked, because {why}; nothing was done"),
        )),
    }
}

/// One loss for programs.
#[derive(serde::Serialize)]
pub(super) struct LossDocument {
    what: String,
    line: usize,
    table: Option<String>,
    rows: Option<u64>,
    exact: bool,
}

/// The losses of this migration, for programs.
pub(super) fn document(losses: &[Losses], version: stairwell::Version) -> Vec<LossDocument> {
    let of = losses.iter().filter(|it| it.version == version).flat_map(|it| &it.losses);
    of.map(|loss| LossDocument {
        what: loss.what.clone(),
        line: loss.line,
        table: loss.table.clone(),
        rows: loss.amount.rows(),
        exact: matches!(loss.amount, Amount::Rows(_) | Amount::Values { .. }),
    })
    .collect()
}
