//! What a comparison comes to: statements, and which of them can share a transaction.

use std::fmt::Write as _;

use super::loss::Loss;
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
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.statements.iter().flat_map(|statement| &statement.losses)
    }

    /// The script in parts, each for a transaction of its own. Most scripts have one.
    pub fn parts(&self) -> Vec<Part> {
        // A value that was added to an enum cannot be used before the transaction that added it has ended.
        let used =
            |fresh: &str| self.statements.iter().any(|other| other.fresh.is_none() && other.sql().contains(fresh));
        let first = self.statements.iter().filter_map(|statement| statement.fresh.as_deref()).any(used);
        let stage = |statement: &Statement| (!(first && statement.fresh.is_some()), statement.stage);
        let mut statements: Vec<&Statement> = self.statements.iter().collect();
        // Stable: within a stage they keep their order.
        statements.sort_by_key(|statement| stage(statement));
        let mut parts: Vec<Part> = Vec::new();
        let mut last = None;
        for statement in statements {
            let joins = statement.transactional && last == Some((stage(statement), true));
            last = Some((stage(statement), statement.transactional));
            match parts.last_mut() {
                Some(part) if joins => part.statements.push(statement.clone()),
                _ => parts.push(Part { transactional: statement.transactional, statements: vec![statement.clone()] }),
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
    /// What data it takes away, statement by statement.
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.statements.iter().flat_map(|statement| &statement.losses)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(statements: Vec<Statement>) -> Vec<String> {
        let parts = Script { statements }.parts();
        parts.iter().map(|part| part.statements.iter().map(Statement::sql).collect::<Vec<_>>().join(" + ")).collect()
    }

    #[test]
    fn a_statement_that_cannot_run_in_a_transaction_stands_alone() {
        let script = vec![Statement::new("a"), Statement::new("b").alone(), Statement::new("c"), Statement::new("d")];
        assert_eq!(parts(script), ["a", "b", "c + d"]);
    }

    #[test]
    fn what_is_for_a_later_stage_comes_in_a_part_behind() {
        let script = vec![Statement::new("a").later(1), Statement::new("b"), Statement::new("c").later(1)];
        assert_eq!(parts(script), ["b", "a + c"]);
    }

    #[test]
    fn a_new_value_of_an_enum_is_committed_before_it_is_used() {
        let add = || Statement::new("ALTER TYPE mood ADD VALUE 'fine'").adds("'fine'::public.mood");
        assert_eq!(parts(vec![Statement::new("a"), add()]), ["a + ALTER TYPE mood ADD VALUE 'fine'"]);
        let uses = Statement::new("ALTER TABLE t ALTER c SET DEFAULT 'fine'::public.mood");
        assert_eq!(parts(vec![Statement::new("a"), add(), uses.clone()]).len(), 2);
        assert_eq!(parts(vec![Statement::new("a"), add(), uses])[0], "ALTER TYPE mood ADD VALUE 'fine'");
    }
}
