//! Not-null constraints. From version 18 on each has a name, a comment, and may be a parent's.

use serde::{Deserialize, Serialize};

use super::{Column, column};
use crate::schema::aside::Aside;
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Sides, inheritance, lineage, names};
use crate::schema::quote::{ident, literal};
use crate::schema::statement::{Pass, Statement};

/// A not-null constraint. Before version 18 it has no name and is always valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotNull {
    /// Unless Postgres would give it this one, or it is a parent's.
    name: Option<String>,
    no_inherit: bool,
    pub(super) valid: bool,
    /// Whether it is not only a parent's. Who dumps a partition tells no difference.
    #[serde(default = "own", skip_serializing_if = "Clone::clone")]
    own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// The name that it has, whoever gave it.
    #[serde(default, skip_serializing)]
    actual: Aside<Option<String>>,
}

/// What is the rule is not shown.
fn own() -> bool {
    true
}

impl NotNull {
    /// As the statement that reads columns `a` of tables `c` has it.
    pub(super) fn json(server: u32) -> &'static str {
        if server < 18 {
            return "CASE WHEN a.attnotnull THEN json_build_object('name', NULL, 'no_inherit', false, 'valid', true, 'own', true) END";
        }
        "(SELECT json_build_object('name', CASE WHEN (k.conislocal OR c.relispartition)
                AND k.conname <> c.relname || '_' || a.attname || '_not_null' THEN k.conname END,
                'no_inherit', k.connoinherit, 'valid', k.convalidated, 'own', k.conislocal OR c.relispartition,
                'comment', obj_description(k.oid, 'pg_constraint'), 'actual', k.conname)
            FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey[1] = a.attnum LIMIT 1)"
    }

    /// Whether `NOT NULL` says all of it.
    pub(super) fn is_plain(&self) -> bool {
        self.name.is_none() && !self.no_inherit && self.valid
    }

    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    pub(super) fn actual(&self) -> Option<String> {
        self.actual.0.clone()
    }

    pub(super) fn text(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" CONSTRAINT {}", ident(name))).unwrap_or_default();
        let only = if self.no_inherit { " NO INHERIT" } else { "" };
        format!("{name} NOT NULL{only}")
    }

    /// Makes a column not null that may be null.
    pub(super) fn add(&self, id: &Id) -> Statement {
        if self.is_plain() {
            return Column::alter_all(id, Pass::Attribute, "SET NOT NULL");
        }
        let only = if self.no_inherit { " NO INHERIT" } else { "" };
        let valid = if self.valid { "" } else { " NOT VALID" };
        let clause = format!("ADD CONSTRAINT {} NOT NULL {}{only}{valid}", ident(&self.name_in(id)), id.ident());
        Statement::alter_table(id.relation(), id, Pass::AddConstraint, clause)
    }

    fn name_in(&self, id: &Id) -> String {
        let table = id.path.get(1).map_or("", String::as_str);
        self.name.clone().unwrap_or_else(|| names::joined(table, id.name(), "not_null"))
    }

    /// What gives it its comment, if that is not what it has.
    pub(super) fn say_comment(&self, old: Option<&Self>, id: &Id) -> Option<Statement> {
        if self.comment.as_ref() == old.and_then(|old| old.comment.as_ref()) {
            return None;
        }
        let name = self.actual().unwrap_or_else(|| self.name_in(id));
        let text = self.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        Some(Statement::new(format!("COMMENT ON CONSTRAINT {} ON {} IS {text}", ident(&name), id.relation())))
    }

    /// From version 18 on, where there is something to change.
    pub(super) fn change(&self, old: &Self, id: &Id, renamed_above: bool, statements: &mut Vec<Statement>) {
        let alter = |clause: String| Statement::alter_table(id.relation(), id, Pass::Alone, clause);
        let name = ident(&self.name_in(id));
        let before = ident(&old.actual().unwrap_or_else(|| old.name_in(id)));
        if self.own && name != before && !renamed_above {
            statements.push(alter(format!("RENAME CONSTRAINT {before} TO {name}")));
        }
        if self.own && !old.own {
            statements.push(Column::alter_all(id, Pass::Attribute, "SET NOT NULL"));
        }
        if self.no_inherit != old.no_inherit {
            let clause = if self.no_inherit { "NO INHERIT" } else { "INHERIT" };
            statements.push(alter(format!("ALTER CONSTRAINT {name} {clause}")));
        }
        if self.valid && !old.valid {
            statements.push(alter(format!("VALIDATE CONSTRAINT {name}")));
        } else if !self.valid && old.valid {
            statements.push(alter(format!("DROP CONSTRAINT {name}")));
            statements.push(self.add(id));
        }
        statements.extend(self.say_comment(Some(old), id));
    }
}

/// Whether `PARTITION OF` makes it as it shall be, with the parent's name.
pub(super) fn is_as_in_parent(own: &Column, parent: &Column) -> bool {
    match (&own.not_null, &parent.not_null) {
        (None, None) => true,
        (Some(own), Some(parent)) => {
            own.no_inherit == parent.no_inherit && own.valid == parent.valid && own.actual() == parent.actual()
        }
        _ => false,
    }
}

/// What a column that may be null from now on takes from all below it, and some of them have to keep.
pub(super) fn keep_below(id: &Id, sides: Sides<'_>, statements: &mut Vec<Statement>) {
    let table = lineage::table_of(id).path;
    for child in lineage::children(sides.new, &table) {
        let below = lineage::same_in(id, child);
        let inheritance = Id::new(Kind::Inheritance, [child, table.as_slice()].concat());
        let kept = |catalog| column(catalog, &below).and_then(|it| it.not_null.as_ref());
        if !inheritance::persists(&inheritance, sides) {
            continue;
        }
        if let (Some(_), Some(not_null)) = (kept(sides.old), kept(sides.new)) {
            statements.push(not_null.add(&below));
            statements.extend(not_null.say_comment(None, &below));
        }
        keep_below(&below, sides, statements);
    }
}

/// Whether those of a table come out right while it stays under a parent. Nobody can rename what is inherited but together with the
/// parent's, and what the parent gets anew brings its name along.
pub(in crate::schema::kinds) fn follows(inheritance: &Id, sides: Sides<'_>) -> bool {
    if sides.new.server < 18 {
        return true;
    }
    let (child, parent) = (lineage::child_of(inheritance), lineage::parent_of(inheritance));
    sides.new.within(Kind::Column, child).all(|(id, _)| {
        let above = lineage::same_in(id, parent);
        let of = |catalog, id: &Id| column(catalog, id).and_then(|it| it.not_null.clone());
        let (Some(new), Some(above_new)) = (of(sides.new, id), of(sides.new, &above)) else { return true };
        let (old, above_old) = (of(sides.old, id), of(sides.old, &above));
        let renamed = above_old.as_ref().is_some_and(|it| it.actual() != above_new.actual());
        let with_parent = old.is_none() || old.as_ref().map(NotNull::actual) == above_old.as_ref().map(NotNull::actual);
        let comes_out = if above_old.is_none() && old.is_none() || renamed && with_parent {
            above_new.actual()
        } else if renamed {
            // The parent's cannot be renamed while this one has another name.
            return false;
        } else {
            old.as_ref().and_then(NotNull::actual)
        };
        !new.own || comes_out == new.actual()
    })
}
