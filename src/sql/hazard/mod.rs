//! Statements that run and do harm, as far as the lexer alone can tell: one rule a file.
//!
//! None of them parses SQL. Where tokens cannot tell, they stay silent: a rule that cries wolf is one that people switch off.

mod data_loss;
mod doubtful;
mod enum_value;
mod made;
mod moves;
mod opaque;
mod session_state;
mod tokens;

use std::ops::Range;

pub use enum_value::{EnumValueUse, enum_values_used};
pub use moves::moves;
pub use session_state::{SessionState, session_state};

use super::statement::Statement;
use made::Made;
use tokens::Tokens;

/// A statement that drops or overwrites data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLoss {
    /// The statement's place in its script, from 0.
    pub statement: usize,
    /// The words that do it, in bytes of the text.
    pub span: Range<usize>,
    /// What it does, in SQL's words and with the name as written: `DROP TABLE users`.
    pub what: String,
    /// Whether the data is in what it names.
    pub reach: Reach,
    /// Where to look for the data that it takes, before it runs.
    pub lost: Lost,
    /// Whether it takes more with it than it names, and nothing here tells what: `CASCADE`.
    pub cascades: bool,
    /// Where it stands if not plainly in the script.
    pub hidden: Option<&'static str>,
}

/// Where the data is that a statement loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In what it names.
    Named,
    /// In what depends on that, which nothing in the statement tells: `DROP FUNCTION … CASCADE` takes generated columns with it.
    Dependents,
}

/// The data that a statement loses, by the names in it: each has its parts as the server has them, schema first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The rows of a table or a materialized view.
    Rows(Vec<String>),
    /// Some of these rows.
    SomeRows(Vec<String>),
    /// These rows, and those of every table that references it: `TRUNCATE … CASCADE`.
    RowsAndReferences(Vec<String>),
    /// What a column has in it.
    Values {
        /// The column's table.
        table: Vec<String>,
        /// The column.
        column: String,
    },
    /// The rows of every table in a schema.
    Schema(String),
    /// None: Postgres refuses it as long as there is data that needs what it drops.
    Nothing,
    /// No name tells.
    Unknown,
}

/// SQL that is put together while it runs, inside of a `DO` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The statement's place in its script, from 0.
    pub statement: usize,
    /// The `EXECUTE`, in bytes of the text.
    pub span: Range<usize>,
}

/// What of a script a person has to look at before it meets data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// What drops or overwrites data that the script did not make itself.
    pub losses: Vec<DataLoss>,
    /// What cannot be looked at.
    pub opaque: Vec<Opaque>,
    /// What may lose data, and mostly does not: `DELETE … WHERE`, `UPDATE … WHERE`, and a change of a column's type, which loses some if it narrows. Only who
    /// says that a script is destructive is asked about these.
    pub doubtful: Vec<DataLoss>,
}

/// Looks for what drops or overwrites data, in `DO` blocks as well; see [`DataLoss`] and [`Opaque`].
///
/// What counts, from the union of other tools' rules: `DROP` of a table, column, attribute, schema, type, database or materialized view,
/// of what a role owns, and any `DROP … CASCADE` that can reach columns; `TRUNCATE`; `DELETE` and `UPDATE` without `WHERE`. What the
/// script made itself is no data yet.
pub fn review(text: &str, statements: &[Statement]) -> Review {
    let mut review = Review::default();
    // Most scripts only make things.
    let destroys = |statement: &Statement| {
        let word = statement.word(text, 0).unwrap_or_default();
        ["ALTER", "DELETE", "DO", "DROP", "TRUNCATE", "UPDATE", "WITH"]
            .iter()
            .any(|verb| word.eq_ignore_ascii_case(verb))
    };
    if !statements.iter().any(destroys) {
        return review;
    }
    let mut made = Made::of_script(text, statements);
    for (n, statement) in statements.iter().enumerate() {
        // Most statements of a large script are rows, and need no second look.
        let looks = ["ALTER", "CREATE", "DELETE", "DO", "DROP", "SELECT", "TRUNCATE", "UPDATE", "WITH"];
        let first = statement.head.first().map(|token| token.text(text)).unwrap_or_default();
        let Some(verb) = looks.iter().find(|verb| first.eq_ignore_ascii_case(verb)) else { continue };
        if matches!(*verb, "CREATE" | "SELECT") {
            made.learn_from_head(text, statement);
            continue;
        }
        let tokens = Tokens::of(text, statement.start..statement.end);
        if *verb == "DO" {
            opaque::look_into(text, &tokens, n, &mut made, &mut review);
        } else {
            let losses = data_loss::of(tokens.all(), &made);
            review.losses.extend(losses.into_iter().map(|loss| loss.of_statement(n, None)));
            let doubtful = doubtful::of(tokens.all(), &made);
            review.doubtful.extend(doubtful.into_iter().map(|loss| loss.of_statement(n, None)));
            made.learn(tokens.all());
        }
    }
    review
}
