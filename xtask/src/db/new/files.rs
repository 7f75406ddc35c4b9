//! The files of a migration that wrote itself.

use std::collections::BTreeSet;

use stairwell::Rule;
use stairwell::migration::{Direction, Script};
use stairwell::schema::{Back, Difference, How, Kind, Loss, Part, Rename, Step};

/// How many objects the line at the top names.
const NAMED: usize = 4;

/// Both texts of a migration; without a way back there is no second one. `flaw` is what its proof found.
pub(super) fn texts(id: &str, step: &Step, flaw: Option<&str>) -> (String, Option<String>) {
    let up = Text {
        head: format!("-- {id}\n--\n-- {}\n", summary(step)),
        part: step.up.as_ref(),
        empty: "its way back takes a transaction more than the way there",
        flaw,
    };
    match &step.down {
        Back::Impossible(found) => {
            let why = found.iter().map(|it| one_line(&it.to_string())).collect::<Vec<_>>().join("; ");
            (up.write(Direction::Up, Some(&why)), None)
        }
        Back::Part(part) => {
            let lost: Vec<String> = part.losses().map(ToString::to_string).collect();
            let lost = if lost.is_empty() { "nothing".to_owned() } else { one_line(&lost.join("; ")) };
            let down = Text {
                head: format!("-- Undoes {id}.\n--\n-- What is lost: {lost}\n"),
                part: Some(part),
                empty: "there is nothing to undo",
                flaw,
            };
            (up.write(Direction::Up, None), Some(down.write(Direction::Down, None)))
        }
    }
}

/// One script.
struct Text<'a> {
    head: String,
    part: Option<&'a Part>,
    /// Why it may hold no statement.
    empty: &'a str,
    flaw: Option<&'a str>,
}

impl Text<'_> {
    fn write(&self, direction: Direction, irreversible: Option<&str>) -> String {
        let mut directives: Vec<String> = Vec::new();
        let statements = self.part.map(|part| part.statements.as_slice()).unwrap_or_default();
        let sql = match self.part {
            Some(part) if part.transactional => part.to_sql(),
            _ => statements.iter().map(stairwell::schema::Statement::text).collect(),
        };
        if statements.is_empty() {
            directives.push(format!("allow empty {}", self.empty));
        }
        if self.part.is_some_and(|part| !part.transactional) {
            directives.push("no-transaction".to_owned());
        }
        directives.extend(irreversible.map(|why| format!("irreversible {}", one_line(why))));
        if direction == Direction::Up {
            directives.extend(destructive(self.part.into_iter().flat_map(Part::losses), &sql));
        }
        let mut text = self.head.clone();
        if let Some(flaw) = self.flaw {
            text.push_str("--\n-- THE PROOF DOES NOT HOLD\n");
            text.extend(flaw.lines().map(|line| format!("-- {line}").trim_end().to_owned() + "\n"));
        }
        if !directives.is_empty() {
            text.push_str("--\n");
            text.extend(directives.iter().map(|directive| format!("-- stairwell: {directive}\n")));
        }
        if sql.is_empty() { text } else { format!("{text}\n{}\n", sql.trim_end()) }
    }
}

/// What an up script says that loses data, by what the comparison knows of it or by what the check of the files will find.
fn destructive<'a>(losses: impl Iterator<Item = &'a Loss>, sql: &str) -> Option<String> {
    let mut reasons: Vec<String> = losses.map(|loss| one_line(&loss.to_string())).collect();
    if reasons.is_empty() {
        let (_, findings) = Script::parse(String::new(), sql.as_bytes(), Direction::Up);
        reasons.extend(findings.iter().find(|it| it.rule == Rule::Destructive).map(|it| one_line(&it.message)));
    }
    (!reasons.is_empty()).then(|| format!("destructive {}", reasons.join("; ")))
}

/// A directive ends with its line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a step does, in a line.
fn summary(step: &Step) -> String {
    let renames = step.renames.iter().map(|rename: &Rename| format!("renames {rename}"));
    let whole: BTreeSet<&[String]> = step
        .differences
        .iter()
        .filter(|it| holds_others(it.id.kind) && !matches!(it.how, How::Changed(_)))
        .map(|it| it.id.path.as_slice())
        .collect();
    // What is in a table that comes or goes is not worth a word of its own.
    let is_inside = |found: &Difference| {
        let path = found.id.path.as_slice();
        (1..path.len()).any(|end| path.get(..end).is_some_and(|start| whole.contains(start)))
            || (matches!(found.id.kind, Kind::Default | Kind::SequenceOwner | Kind::Inheritance))
    };
    let changes = step.differences.iter().filter(|it| !is_inside(it)).map(|it| {
        let verb = match it.how {
            How::Added => "adds",
            How::Removed => "drops",
            How::Changed(_) => "changes",
        };
        format!("{verb} the {}", it.id)
    });
    let all: Vec<String> = renames.chain(changes).collect();
    let more = all.len().saturating_sub(NAMED);
    let mut line = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        line = format!("{line}, and {more} more");
    }
    if line.is_empty() {
        line.push_str(if step.up.is_some() { "changes details" } else { "does nothing by itself" });
    }
    let line = one_line(&line);
    let mut letters = line.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str() + ".")
}

fn holds_others(kind: Kind) -> bool {
    matches!(kind, Kind::Schema | Kind::Table | Kind::View | Kind::MaterializedView | Kind::Domain | Kind::Publication)
}
