//! What a comparison comes to: statements, and which of them can share a transaction.

use std::fmt::Write as _;

use super::statement::Statement;

/// The statements that make one schema of another, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Them all.
    pub statements: Vec<Statement>,
}

/// Neighbours of a script that run in one transaction, or one statement that cannot run in any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// They.
    pub statements: Vec<Statement>,
    /// Whether they run in one transaction.
    pub transactional: bool,
}

/// Lets functions be made before what their bodies name: nothing but the body tells what that is.
const BODIES_UNCHECKED: &str = "SET LOCAL check_function_bodies = off";

impl Script {
    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// What data it takes away, statement by statement.
    pub fn losses(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().filter_map(|statement| statement.loss.as_deref())
    }

    /// The script in parts, each for a transaction of its own. Most scripts have one.
    pub fn parts(&self) -> Vec<Part> {
        // A value that was added to an enum cannot be used before the transaction that added it has ended.
        let used =
            |fresh: &str| self.statements.iter().any(|other| other.fresh.is_none() && other.sql().contains(fresh));
        let first: Vec<bool> = {
            let needed = self.statements.iter().filter_map(|s| s.fresh.as_deref()).any(used);
            self.statements.iter().map(|statement| needed && statement.fresh.is_some()).collect()
        };
        let ordered = || {
            let of =
                |wanted: bool| self.statements.iter().zip(&first).filter(move |(_, is)| **is == wanted).map(|(s, _)| s);
            (of(true), of(false))
        };
        let mut parts: Vec<Part> = Vec::new();
        let (early, rest) = ordered();
        let early: Vec<Statement> = early.cloned().collect();
        if !early.is_empty() {
            parts.push(Part { statements: early, transactional: true });
        }
        let mut open = false;
        for statement in rest.cloned() {
            match parts.last_mut() {
                Some(part) if open && statement.transactional => part.statements.push(statement),
                _ => {
                    open = statement.transactional;
                    parts.push(Part { transactional: statement.transactional, statements: vec![statement] });
                }
            }
        }
        parts
    }

    /// The whole as text for psql: a transaction for each part.
    pub fn to_sql(&self) -> String {
        let mut text = String::new();
        for part in self.parts() {
            if part.transactional {
                let _ = write!(text, "BEGIN;\n\n{}COMMIT;\n\n", part.to_sql());
            } else {
                text.push_str(&part.to_sql());
            }
        }
        text
    }
}

impl Part {
    /// Its statements as text, with their comments; without BEGIN and COMMIT.
    pub fn to_sql(&self) -> String {
        let mut text = String::new();
        if self.statements.iter().any(|statement| {
            let sql = statement.sql();
            sql.contains("FUNCTION") || sql.contains("PROCEDURE")
        }) {
            let _ = write!(text, "{BODIES_UNCHECKED};\n\n");
        }
        for statement in &self.statements {
            let _ = write!(text, "{}", statement.text());
        }
        text
    }
}
