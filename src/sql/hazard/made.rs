//! What a script made itself, and so can be dropped without a loss.

use std::collections::BTreeSet;

use super::super::statement::Statement;
use super::tokens::{Name, Piece, Tokens};

/// What of the script so far is new.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Kind in upper case and name. A temporary table is a table.
    objects: BTreeSet<(String, String)>,
    /// Table and column.
    columns: BTreeSet<(String, String)>,
    /// What any statement of the script creates, also further down: a type or a materialized view that is dropped and made again
    /// has lost nothing.
    remade: BTreeSet<(String, String)>,
}

/// What a `CREATE` makes.
struct Created {
    object: (String, String),
    /// `IF NOT EXISTS` and `OR REPLACE` may find what was there before.
    is_new: bool,
}

fn created(tokens: Piece<'_>) -> Option<Created> {
    let mut at = tokens.skip(1, &["OR", "REPLACE"]);
    let mut is_new = at == 1;
    let mut is_temporary = false;
    while tokens.is_any(at, &["GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "RECURSIVE", "UNIQUE"]) {
        is_temporary |= tokens.is_any(at, &["TEMP", "TEMPORARY"]);
        at += 1;
    }
    let (kind, next) = kind(tokens, at);
    let at = tokens.skip(next, &["IF", "NOT", "EXISTS"]);
    is_new &= at == next || is_temporary;
    Some(Created { object: (kind, tokens.name(at)?.0.key), is_new })
}

/// The kind of object whose words begin here, in upper case, and the place behind them.
pub(super) fn kind(tokens: Piece<'_>, at: usize) -> (String, usize) {
    let words = if tokens.is_any(at, &["MATERIALIZED", "FOREIGN", "EVENT", "ACCESS", "USER", "TEXT"]) { 2 } else { 1 };
    let words = match words {
        // `FOREIGN DATA WRAPPER`, `TEXT SEARCH PARSER`
        2 if tokens.is_any(at + 1, &["DATA", "SEARCH"]) => 3,
        // `USER u`, and `USER MAPPING`
        2 if tokens.is(at, "USER") && !tokens.is(at + 1, "MAPPING") => 1,
        words => words,
    };
    let kind: Vec<_> = (at..at + words).map(|at| tokens.text(at).to_ascii_uppercase()).collect();
    (kind.join(" "), at + words)
}

impl Made {
    /// Nothing yet; but what the whole script will create is known.
    pub(super) fn of_script(text: &str, statements: &[Statement]) -> Self {
        let is_create = |statement: &&Statement| {
            statement.head.first().is_some_and(|t| t.text(text).eq_ignore_ascii_case("CREATE"))
        };
        let remade = statements.iter().filter(is_create).filter_map(|statement| {
            let tokens = Tokens::of_head(text, statement);
            created(tokens.all()).map(|created| created.object)
        });
        Self { remade: remade.collect(), ..Self::default() }
    }

    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.objects.contains(&(kind.to_owned(), name.to_owned()))
    }

    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns.contains(&(table.to_owned(), column.to_owned()))
    }

    pub(super) fn is_remade(&self, kind: &str, name: &str) -> bool {
        self.remade.contains(&(kind.to_owned(), name.to_owned()))
    }

    /// From the first tokens of a `CREATE` or `SELECT`, which may be a large statement.
    pub(super) fn learn_from_head(&mut self, text: &str, statement: &Statement) {
        self.learn(Tokens::of_head(text, statement).all());
    }

    /// Takes in one statement, after it was judged.
    pub(super) fn learn(&mut self, tokens: Piece<'_>) {
        if tokens.is(0, "CREATE") {
            if let Some(Created { object, is_new: true }) = created(tokens) {
                self.objects.insert(object);
            }
        } else if tokens.is(0, "SELECT") {
            self.select_into(tokens);
        } else if tokens.is(0, "DROP") {
            let (kind, at) = kind(tokens, 1);
            let at = tokens.skip(at, &["IF", "EXISTS"]);
            // The name may be another object's from here on: of the table that a temporary one hid, for example.
            for name in tokens.from(at).names() {
                self.objects.remove(&(kind.clone(), name.key));
            }
        } else if tokens.starts_with(&["ALTER", "TABLE"]) {
            self.alter_table(tokens);
        }
    }

    fn select_into(&mut self, tokens: Piece<'_>) {
        let Some(into) = tokens.find(1, "INTO") else { return };
        let mut at = into + 1;
        while tokens.is_any(at, &["TEMP", "TEMPORARY", "UNLOGGED", "TABLE"]) {
            at += 1;
        }
        if let Some((name, _)) = tokens.name(at) {
            self.objects.insert(("TABLE".to_owned(), name.key));
        }
    }

    fn alter_table(&mut self, tokens: Piece<'_>) {
        let Some((Name { key: table, .. }, at)) = altered_table(tokens) else { return };
        for action in tokens.from(at).comma_parts() {
            if action.is(0, "ADD")
                && !action.is_any(1, &["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE"])
            {
                // Also with IF NOT EXISTS: who writes that means a new column all the same.
                let at = action.skip(action.skip(1, &["COLUMN"]), &["IF", "NOT", "EXISTS"]);
                if let Some((column, _)) = action.name(at) {
                    self.columns.insert((table.clone(), column.key));
                }
            } else if action.starts_with(&["RENAME", "TO"]) {
                self.rename_table(&table, action);
            } else if action.is(0, "RENAME")
                && let Some((old, at)) = action.name(action.skip(1, &["COLUMN"]))
                && action.is(at, "TO")
                && let Some((new, _)) = action.name(at + 1)
                && self.columns.remove(&(table.clone(), old.key))
            {
                self.columns.insert((table.clone(), new.key));
            }
        }
    }

    fn rename_table(&mut self, table: &str, action: Piece<'_>) {
        let Some((new, _)) = action.name(2) else { return };
        // The new name is without a schema; the table stays in its own.
        let new = table.rsplit_once('.').map_or_else(|| new.key.clone(), |(schema, _)| format!("{schema}.{}", new.key));
        if self.objects.remove(&("TABLE".to_owned(), table.to_owned())) {
            self.objects.insert(("TABLE".to_owned(), new.clone()));
        }
        let columns: Vec<_> = self.columns.iter().filter(|(of, _)| of == table).cloned().collect();
        for (of, column) in columns {
            self.columns.remove(&(of, column.clone()));
            self.columns.insert((new.clone(), column));
        }
    }
}

/// The table of an `ALTER TABLE`, and the place of its first action.
pub(super) fn altered_table(tokens: Piece<'_>) -> Option<(Name<'_>, usize)> {
    let at = tokens.skip(tokens.skip(2, &["IF", "EXISTS"]), &["ONLY"]);
    let (name, at) = tokens.name(at)?;
    Some((name, if tokens.text(at) == "*" { at + 1 } else { at }))
}
