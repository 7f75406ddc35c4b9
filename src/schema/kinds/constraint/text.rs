//! A constraint as `CREATE TABLE` and `ADD CONSTRAINT` have it.

use super::{Constraint, Sort, key};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Definition, Entity as _, Inline, Sides, names, parameters};
use crate::schema::quote::{bracketed, ident};
use crate::schema::statement::Statement;

/// When and whether a constraint is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) when: When,
    pub(super) enforced: bool,
    pub(super) valid: bool,
}

/// When it is checked, and whether a transaction can say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Deferrable,
    Deferred,
}

impl Constraint {
    /// What is constrained, and when and whether it is checked; Postgres prints the latter last.
    pub(super) fn parts(&self) -> (&str, Checked) {
        let mut text = self.definition.as_str();
        let mut strip = |end: &str| {
            let stripped = text.strip_suffix(end);
            text = stripped.unwrap_or(text);
            stripped.is_some()
        };
        let valid = !strip(" NOT VALID");
        let enforced = !strip(" NOT ENFORCED");
        let when = match (strip(" INITIALLY DEFERRED"), strip(" DEFERRABLE")) {
            (false, false) => When::Always,
            (false, true) => When::Deferrable,
            (true, _) => When::Deferred,
        };
        (text, Checked { when, enforced, valid })
    }

    /// All of it, with what its index is stored in.
    pub(super) fn full(&self) -> String {
        let (body, _) = self.parts();
        let rest = self.definition.get(body.len()..).unwrap_or_default();
        if let Some(check) = body.strip_prefix("CHECK (").filter(|_| self.kind == Sort::Check) {
            // Postgres prints two pairs of brackets where one will do.
            let (check, end) = check.strip_suffix(" NO INHERIT").map_or((check, ""), |check| (check, " NO INHERIT"));
            if let Some(check) = check.strip_suffix(')') {
                return format!("CHECK {}{end}{rest}", bracketed(check));
            }
        }
        format!("{body}{}{rest}", self.index_clauses())
    }

    /// ` WITH (…) USING INDEX TABLESPACE …`.
    fn index_clauses(&self) -> String {
        let Some(index) = self.index.as_ref().filter(|_| self.kind != Sort::Exclude) else { return String::new() };
        let space = index.tablespace.as_ref().map(|space| format!(" USING INDEX TABLESPACE {}", ident(space)));
        format!("{}{}", parameters::with(&index.options), space.unwrap_or_default())
    }

    /// For an exclusion constraint, whose text has the parameters, but not this.
    pub(super) fn index_options_after(&self, id: &Id) -> Vec<Statement> {
        let Some(index) = self.index.as_ref().filter(|_| self.kind == Sort::Exclude) else { return Vec::new() };
        let name = key::index_name(id);
        let mut statements = Vec::new();
        if let Some(space) = &index.tablespace {
            statements.push(Statement::new(format!("ALTER INDEX {name} SET TABLESPACE {}", ident(space))));
        }
        statements
    }

    /// How it is written into the statement that makes its table or its column.
    pub(super) fn written_into(&self, id: &Id, table: Id, table_is_new: bool, sides: Sides<'_>) -> Option<Inline> {
        if !table_is_new && self.added_online(id, sides).is_some() {
            return None;
        }
        let (_, checked) = self.parts();
        // CREATE TABLE takes no note of NOT VALID, and what is said of an index needs the name.
        if !checked.valid
            || !self.is_bare()
            || (self.kind == Sort::Exclude && !self.index_options_after(id).is_empty())
            || key::is_taken_for_another(id, self, sides.new)
        {
            return None;
        }
        let name = if self.is_named_by_postgres(id, sides) { String::new() } else { format!("CONSTRAINT {} ", id.ident()) };
        if let Some((column, text)) = self.behind_column(id, table_is_new, sides) {
            return Some(Inline::Suffix { column, text: format!("{name}{text}") });
        }
        table_is_new.then(|| Inline::Element { table, text: format!("{name}{}", self.full()) })
    }

    /// `PRIMARY KEY`, `UNIQUE` or `REFERENCES …` of one column that is made now.
    fn behind_column(&self, id: &Id, table_is_new: bool, sides: Sides<'_>) -> Option<(Id, String)> {
        let [column] = self.columns.as_slice() else { return None };
        let mut path = id.path.get(..2)?.to_vec();
        path.push(column.clone());
        let column_id = Id::new(Kind::Column, path);
        let Some(Definition::Column(definition)) = sides.new.definition(&column_id) else { return None };
        let written = matches!(definition.inline(&column_id, sides), Some(Inline::Element { .. }))
            || !table_is_new && !definition.is_mirror();
        if sides.old.get(&column_id).is_some() || !written {
            return None;
        }
        let full = self.full();
        let list = format!(" ({})", ident(column));
        let text = match self.kind {
            Sort::PrimaryKey | Sort::Unique => {
                let (before, after) = full.split_once(&list)?;
                if after.starts_with(" INCLUDE") {
                    return None;
                }
                format!("{before}{after}")
            }
            Sort::ForeignKey => full.strip_prefix(&format!("FOREIGN KEY{list} "))?.to_owned(),
            Sort::Check | Sort::Exclude => return None,
        };
        Some((column_id, text))
    }

    /// What its index holds and when that is checked, for one that has an index.
    pub(super) fn key(&self) -> Option<&str> {
        match self.kind {
            Sort::PrimaryKey => self.definition.strip_prefix("PRIMARY KEY "),
            Sort::Unique => self.definition.strip_prefix("UNIQUE "),
            Sort::Exclude => Some(&self.definition),
            Sort::Check | Sort::ForeignKey => None,
        }
    }

    /// The name that Postgres gives where nothing else has it.
    pub(super) fn usual_name(&self, id: &Id) -> String {
        let table = id.path.get(1).map_or("", String::as_str);
        match self.kind {
            Sort::PrimaryKey => names::joined(table, "", "pkey"),
            Sort::Unique => names::joined(table, &names::columns(&self.columns), "key"),
            Sort::ForeignKey => names::joined(table, &names::columns(&self.columns), "fkey"),
            Sort::Exclude => names::joined(table, &names::columns(&self.columns), "excl"),
            Sort::Check => match self.columns.as_slice() {
                [column] => names::joined(table, column, "check"),
                _ => names::joined(table, "", "check"),
            },
        }
    }

    /// Whether Postgres would give it its name by itself. It gives none that a constraint of another table of the schema has.
    fn is_named_by_postgres(&self, id: &Id, sides: Sides<'_>) -> bool {
        let name = id.name();
        let [schema, own, _] = id.path.as_slice() else { return false };
        let taken = |table: &str| {
            let other = Id::new(Kind::Constraint, vec![schema.clone(), table.to_owned(), name.to_owned()]);
            table != own && (sides.new.get(&other).is_some() || sides.old.get(&other).is_some())
        };
        // Columns of an exclusion constraint may be expressions, which have names of their own.
        self.kind != Sort::Exclude
            && name == self.usual_name(id)
            && name.len() < 63
            && !name.match_indices('_').any(|(at, _)| taken(&name[..at]))
    }
}
