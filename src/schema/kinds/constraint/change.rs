//! What makes one constraint of another, in place where Postgres can.

use super::text::When;
use super::{Constraint, KeyIndex, Sort, key, validity};
use crate::schema::id::Id;
use crate::schema::kinds::{Change, Sides, index as index_kind, inheritance, lineage, parameters};
use crate::schema::quote::ident;
use crate::schema::statement::{Pass, Statement};

pub(super) fn change(new: &Constraint, old: &Constraint, id: &Id, sides: Sides<'_>) -> Change {
    let ((body, checked), (old_body, before)) = (new.parts(), old.parts());
    if new.kind != old.kind || body != old_body || !types_agree(new, old) {
        return Change::Replace;
    }
    let mut statements = Vec::new();
    // What a parent's constraint becomes, its parts become, too.
    if new.is_mirror() && old.is_mirror() {
        if !before.valid && validity::is_checked_only_here(id, new, sides) {
            statements.push(validity::validate(id));
        }
    } else {
        if (checked.when, checked.enforced) != (before.when, before.enforced) {
            if new.kind != Sort::ForeignKey {
                return Change::Replace;
            }
            let when = match checked.when {
                When::Always => "NOT DEFERRABLE",
                When::Deferrable => "DEFERRABLE INITIALLY IMMEDIATE",
                When::Deferred => "DEFERRABLE INITIALLY DEFERRED",
            };
            let enforced = match (checked.enforced, before.enforced) {
                (false, true) => " NOT ENFORCED",
                (true, false) => " ENFORCED",
                _ => "",
            };
            let clause = format!("ALTER CONSTRAINT {} {when}{enforced}", id.ident());
            statements.push(Constraint::alter(id, Pass::Alone, clause));
        }
        match (checked.valid, before.valid) {
            (false, true) => return Change::Replace,
            (true, false) => {
                statements.push(validity::validate(id));
            }
            _ => {}
        }
    }
    // Those of one table and the other's are known to agree; a local one that was a part, or will be, stays as it is.
    if let (Some(new), Some(old)) = (&new.index, &old.index) {
        index(new, old, id, sides, &mut statements);
    }
    if let Some(parent) = new.parent.as_ref().filter(|_| new.index.is_some() && new.parent != old.parent) {
        let parent = Id::new(id.kind, parent.clone());
        let table = lineage::table_of(id).path;
        if inheritance::stays(&table, sides) && !key::goes_on(&parent, sides) {
            statements.push(key::attach(id, &parent));
        }
    }
    Change::Alter(statements)
}

/// Whether a foreign key can stay while the columns of either end get other types.
fn types_agree(new: &Constraint, old: &Constraint) -> bool {
    let whole = |name: &String| matches!(name.as_str(), "smallint" | "integer" | "bigint" | "numeric");
    let text = |name: &String| matches!(name.as_str(), "text" | "character varying");
    let all = || new.types.iter().chain(&old.types);
    new.types == old.types || all().all(whole) || all().all(text)
}

fn index(new: &KeyIndex, old: &KeyIndex, id: &Id, sides: Sides<'_>, statements: &mut Vec<Statement>) {
    let name = key::index_name(id);
    for clause in parameters::changes(&old.options, &new.options) {
        statements.push(Statement::new(format!("ALTER INDEX {name} {clause}")));
    }
    if new.tablespace != old.tablespace {
        let space = ident(new.tablespace.as_deref().unwrap_or("pg_default"));
        statements.push(Statement::new(format!("ALTER INDEX {name} SET TABLESPACE {space}")));
    }
    let table = id.path.get(..2).unwrap_or_default();
    let clusters = (new.clustered, old.clustered);
    statements.extend(index_kind::cluster(id, table, clusters, sides));
    if new.comment != old.comment {
        statements.push(new.says(id));
    }
    if new.replica_identity && !old.replica_identity {
        let clause = format!("REPLICA IDENTITY USING INDEX {}", id.ident());
        statements.push(Constraint::alter(id, Pass::Misc, clause));
    }
}
