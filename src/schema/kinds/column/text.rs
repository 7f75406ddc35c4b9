//! A column as `CREATE TABLE` and `ADD COLUMN` have it.

use super::{Column, column, is_serial, sequence_name};
use crate::schema::id::Id;
use crate::schema::kinds::{Entity as _, Sides, constraint, foreign_options, lineage};
use crate::schema::quote::bracketed;

impl Column {
    /// `id bigint NOT NULL`, without the default.
    pub(super) fn text(&self, id: &Id, sides: Sides<'_>) -> String {
        if let Some(serial) = is_serial(id, sides) {
            return format!("{} {serial}", id.ident());
        }
        let mut text = format!("{} {}", id.ident(), self.data_type);
        if let Some(compression) = &self.compression {
            text.extend([" COMPRESSION ", compression]);
        }
        text.push_str(&foreign_options::with(&self.fdw_options));
        if let Some(collation) = &self.collation {
            text.extend([" COLLATE ", collation]);
        }
        if let Some(generated) = self.generated.as_ref().filter(|_| !self.is_generated_by_parent(id, sides)) {
            let kind = if generated.stored { "STORED" } else { "VIRTUAL" };
            text.extend([" GENERATED ALWAYS AS ", &bracketed(&generated.expression), " ", kind]);
        }
        text.push_str(&self.identity_clause(id));
        if let Some(not_null) = &self.not_null {
            // A primary key and an identity say so.
            let said = self.identity.is_some() || constraint::is_in_new_primary_key(id, sides);
            let by_parent = !not_null.is_own() && Self::has_inline_parent(id, sides, Self::is_not_null);
            if not_null.valid && !(not_null.is_plain() && said) && !by_parent {
                text.push_str(&not_null.text());
            }
        }
        text
    }

    /// Whether the parent says how it is computed, where the child must not: the table is made with `INHERITS`.
    fn is_generated_by_parent(&self, id: &Id, sides: Sides<'_>) -> bool {
        Self::has_inline_parent(id, sides, |parent| parent.generated.is_some() && parent.generated == self.generated)
    }

    /// Whether the statement that makes the table names a parent with such a column.
    fn has_inline_parent(id: &Id, sides: Sides<'_>, is_such: impl Fn(&Self) -> bool) -> bool {
        let table = lineage::table_of(id).path;
        lineage::parents(sides.new, &table).any(|(it, inheritance)| {
            inheritance.inline(it, sides).is_some()
                && column(sides.new, &lineage::same_in(id, lineage::parent_of(it))).is_some_and(&is_such)
        })
    }

    /// ` GENERATED ALWAYS AS IDENTITY (…)`, or nothing.
    pub(super) fn identity_clause(&self, id: &Id) -> String {
        let Some(identity) = &self.identity else { return String::new() };
        let when = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
        let mut clauses: Vec<String> =
            sequence_name(identity, id).map(|name| format!("SEQUENCE NAME {name}")).into_iter().collect();
        clauses.extend(identity.options.clauses(&identity.data_type));
        let clauses = if clauses.is_empty() { String::new() } else { format!(" ({})", clauses.join(" ")) };
        format!(" GENERATED {when} AS IDENTITY{clauses}")
    }
}
