//! A column as `CREATE TABLE` and `ADD COLUMN` have it.

use super::{Column, NotNull, is_serial, sequence_name};
use crate::schema::id::Id;
use crate::schema::kinds::{Sides, constraint, foreign_options};
use crate::schema::quote::{bracketed, ident};

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
        if let Some(generated) = &self.generated {
            let kind = if generated.stored { "STORED" } else { "VIRTUAL" };
            text.extend([" GENERATED ALWAYS AS ", &bracketed(&generated.expression), " ", kind]);
        }
        text.push_str(&self.identity_clause(id));
        if let Some(not_null) = &self.not_null {
            // A primary key and an identity say so.
            let said = self.identity.is_some() || constraint::is_in_new_primary_key(id, sides);
            if not_null.valid && !(not_null.is_plain() && said) {
                text.push_str(&not_null.text());
            }
        }
        text
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

impl NotNull {
    fn text(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" CONSTRAINT {}", ident(name))).unwrap_or_default();
        let only = if self.no_inherit { " NO INHERIT" } else { "" };
        format!("{name} NOT NULL{only}")
    }
}
