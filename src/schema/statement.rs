//! The statements that a comparison comes to.

use super::id::Id;
use super::loss::Loss;

/// One statement of a script, without the semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) body: Body,
    /// What data it takes away.
    pub losses: Vec<Loss>,
    /// Whether it can run in a transaction with others.
    pub transactional: bool,
    /// What a reader should know of it, as a comment above it.
    pub note: Option<String>,
    /// A constant that is valid only after the transaction with this statement: a value added to an enum, as `'new'::public.mood`.
    pub(crate) fresh: Option<String>,
    /// In which transaction of several it runs, as far as that is not decided otherwise: 0 for the first.
    pub(crate) stage: u8,
}

/// How a statement is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// As it stands.
    Plain(String),
    /// `CREATE TABLE`: columns and constraints of the table are written into it as elements, where nothing is against it.
    CreateTable { head: String, elements: Vec<Element>, tail: String, bare: bool },
    /// `ALTER TABLE`: its neighbours that alter the same table become one statement with it.
    AlterTable { table: String, clauses: Vec<Clause> },
}

/// A column or a constraint within `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// What a later element, such as a default, is added to.
    pub(crate) id: Id,
    pub(crate) text: String,
}

/// One action of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// What it is about: what a default is added to.
    pub(crate) id: Id,
    pub(crate) pass: Pass,
    pub(crate) text: String,
}

/// The passes in which Postgres runs the actions of one `ALTER TABLE` (`AlterTablePass` in its source), whatever their order in the
/// text. Neighbours are joined only where that order is theirs. [`Pass::Alone`] is not joined at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    Drop,
    Type,
    AddColumn,
    Attribute,
    AddConstraint,
    Misc,
    Alone,
}

impl Statement {
    /// One that is written as it stands.
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self::of(Body::Plain(sql.into()))
    }

    /// An action of an `ALTER TABLE`; `table` as it stands behind those words, so `public.users` or `ONLY public.users`.
    pub(crate) fn alter_table(table: impl Into<String>, id: &Id, pass: Pass, clause: impl Into<String>) -> Self {
        let clause = Clause { id: id.clone(), pass, text: clause.into() };
        Self::of(Body::AlterTable { table: table.into(), clauses: vec![clause] })
    }

    pub(crate) fn of(body: Body) -> Self {
        Self { body, losses: Vec::new(), transactional: true, note: None, fresh: None, stage: 0 }
    }

    /// The same, saying what data it takes away, of what; beside what was said before.
    pub(crate) fn destroys(mut self, of: &Id, what: impl Into<String>) -> Self {
        self.losses.push(Loss::new(what, of));
        self
    }

    /// The same, which cannot run in a transaction.
    pub(crate) fn alone(self) -> Self {
        Self { transactional: false, ..self }
    }

    /// The same, with a comment above it.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// The same, adding a constant that is not valid in the same transaction.
    pub(crate) fn adds(self, constant: impl Into<String>) -> Self {
        Self { fresh: Some(constant.into()), ..self }
    }

    /// The same, in a later transaction than what has a smaller number.
    pub(crate) fn later(self, stage: u8) -> Self {
        Self { stage, ..self }
    }

    /// Whether both are one action of the same pass on the same object, so that one replaces the other.
    pub(crate) fn same_pass(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Body::AlterTable { clauses, .. }, Body::AlterTable { clauses: others, .. }) => {
                let of = |clauses: &[Clause]| {
                    clauses.iter().map(|clause| (clause.id.clone(), clause.pass)).collect::<Vec<_>>()
                };
                of(clauses) == of(others)
            }
            _ => false,
        }
    }

    /// Its text with semicolon and the comments above it, as a file has it.
    pub fn text(&self) -> String {
        let note =
            self.note.iter().flat_map(|note| note.lines()).fold(String::new(), |text, line| text + "-- " + line + "\n");
        format!("{note}{};\n\n", self.sql())
    }

    /// Its text, without the semicolon.
    pub fn sql(&self) -> String {
        match &self.body {
            Body::Plain(sql) => sql.clone(),
            Body::CreateTable { head, elements, tail, bare } => {
                let tail = if tail.is_empty() { String::new() } else { format!(" {tail}") };
                if elements.is_empty() {
                    return if *bare { format!("{head}{tail}") } else { format!("{head} (){tail}") };
                }
                let lines: Vec<&str> = elements.iter().map(|element| element.text.as_str()).collect();
                format!("{head} (\n    {}\n){tail}", lines.join(",\n    "))
            }
            Body::AlterTable { table, clauses } => match clauses.as_slice() {
                [only] => format!("ALTER TABLE {table} {}", only.text),
                many => {
                    let lines: Vec<&str> = many.iter().map(|clause| clause.text.as_str()).collect();
                    format!("ALTER TABLE {table}\n    {}", lines.join(",\n    "))
                }
            },
        }
    }
}
