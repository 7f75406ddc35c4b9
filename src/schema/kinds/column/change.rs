//! What makes one column of another, in place.

use super::cast::{Way, are_whole, base, loses, way};
use super::not_null::{self, NotNull};
use super::{Column, Identity, column, is_typed, numbers};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Change, Definition, Sides, constraint, foreign_options, inheritance, lineage, online, parameters};
use crate::schema::quote::{bracketed, ident, qualified};
use crate::schema::statement::{Pass, Statement};

/// Which dependents Postgres does not let the type of a column change under.
pub(super) fn stands_in_the_way(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::View
            | Kind::MaterializedView
            | Kind::Rule
            | Kind::Policy
            | Kind::Trigger
            | Kind::Function
            | Kind::Publication
            // Those that are computed of it.
            | Kind::Column
    )
}

pub(super) fn change(new: &Column, old: &Column, id: &Id, sides: Sides<'_>) -> Change {
    match (&new.generated, &old.generated) {
        (Some(_), None) => {
            return Change::Impossible(
                "a column cannot become a generated one in place\n  = help: add the generated column under another name by hand, and drop \
                 this one in a later migration, when nobody needs what is in it"
                    .to_owned(),
            );
        }
        (Some(now), Some(before)) if now != before && (sides.new.server < 17 || now.stored != before.stored) => {
            return Change::Replace;
        }
        (Some(_), Some(_)) if new.data_type != old.data_type || new.collation != old.collation => return Change::Replace,
        _ => {}
    }
    let plan = Plan { new, old, id, sides, parents: parents(id, sides) };
    let mut statements = Vec::new();
    plan.leave(&mut statements);
    let retyped = plan.retype(&mut statements);
    plan.enter(&mut statements);
    plan.storage(&mut statements, retyped);
    if retyped { Change::Disturb(statements, stands_in_the_way) } else { Change::Alter(statements) }
}

/// The column in a parent that stays the parent, before and after: what is done to it is done to this one, too.
fn parents<'a>(id: &Id, sides: Sides<'a>) -> Option<(&'a Column, &'a Column)> {
    let table = lineage::table_of(id).path;
    lineage::parents(sides.new, &table).filter(|(it, _)| inheritance::persists(it, sides)).find_map(|(it, _)| {
        let of_parent = lineage::same_in(id, lineage::parent_of(it));
        Some((column(sides.old, &of_parent)?, column(sides.new, &of_parent)?))
    })
}

struct Plan<'a> {
    new: &'a Column,
    old: &'a Column,
    id: &'a Id,
    sides: Sides<'a>,
    parents: Option<(&'a Column, &'a Column)>,
}

impl Plan<'_> {
    /// Whether the parent's change brings this one with it.
    fn comes<T: PartialEq>(&self, of: impl Fn(&Column) -> T) -> bool {
        self.parents.is_some_and(|(old, new)| of(old) != of(new) && of(new) == of(self.new))
    }

    fn is_foreign(&self) -> bool {
        let table = lineage::table_of(self.id);
        matches!(self.sides.new.definition(&table), Some(Definition::Table(table)) if table.is_foreign())
    }

    fn alter(&self, pass: Pass, clause: impl AsRef<str>) -> Statement {
        Column::alter(self.id, self.sides, pass, clause)
    }

    /// What has to go before the column has its new type.
    fn leave(&self, statements: &mut Vec<Statement>) {
        if self.new.identity.is_none() && self.old.identity.is_some() && !self.comes(|it| it.identity.is_some()) {
            statements.push(Column::alter_all(self.id, Pass::Drop, "DROP IDENTITY"));
        }
        match (&self.new.generated, &self.old.generated) {
            (None, Some(_)) if !self.comes(|it| it.generated.is_some()) => {
                statements.push(Column::alter_all(self.id, Pass::Drop, "DROP EXPRESSION"));
            }
            (Some(new), Some(old)) if new != old && !self.comes(|it| it.generated.clone()) => {
                let clause = format!("SET EXPRESSION AS {}", bracketed(&new.expression));
                statements.push(Column::alter_all(self.id, Pass::Alone, clause));
            }
            _ => {}
        }
        if self.new.not_null.is_none() && self.old.not_null.is_some() && !self.comes(Column::is_not_null) {
            statements.push(Column::alter_all(self.id, Pass::Drop, "DROP NOT NULL"));
            not_null::keep_below(self.id, self.sides, statements);
        }
    }

    /// Whether the type is another one.
    fn retype(&self, statements: &mut Vec<Statement>) -> bool {
        let (new, old) = (self.new, self.old);
        if new.data_type == old.data_type && new.collation == old.collation {
            return false;
        }
        // With the parent's, or with the attribute of the type that the table is of.
        let with_type = is_typed(self.id, self.sides.old) && is_typed(self.id, self.sides.new);
        if with_type || self.comes(|it| (it.data_type.clone(), it.collation.clone())) {
            return true;
        }
        let default = Id::new(Kind::Default, self.id.path.clone());
        let default_of = |catalog: &crate::schema::Catalog| match catalog.definition(&default) {
            Some(Definition::Default(default)) => Some(default.expression().to_owned()),
            _ => None,
        };
        let (before, after) = (default_of(self.sides.old), default_of(self.sides.new));
        // A default is cast like a value, and need not come out as the new one is written, if it can be cast at all.
        let apart = base(&new.data_type) != base(&old.data_type) && !are_whole(&old.data_type, &new.data_type)
            || new.data_type.ends_with("[]") != old.data_type.ends_with("[]");
        if apart && before.is_some() && after.is_some() {
            statements.push(Column::alter_all(self.id, Pass::Drop, "DROP DEFAULT"));
        }
        let mut clause = format!("TYPE {}", new.data_type);
        if let Some(collation) = &new.collation {
            clause.extend([" COLLATE ", collation]);
        }
        let name = self.id.ident();
        let mut note = None;
        match self.cast() {
            // What is elsewhere is not rewritten, and Postgres takes no USING for it.
            _ if new.generated.is_some() || self.is_foreign() => {}
            Way::Assignment => {}
            Way::Explicit => clause.extend([" USING ", &name, "::", &new.data_type]),
            Way::Text => {
                clause.extend([" USING ", &name, "::text::", &new.data_type]);
                note = Some(format!(
                    "There may be no cast from {} to {}: check that USING makes of each value what it shall be.",
                    old.data_type, new.data_type
                ));
            }
        }
        let mut statement = Column::alter_all(self.id, Pass::Type, clause);
        if let Some(loss) = new_type_loses(self.id, &old.data_type, &new.data_type) {
            statement = statement.destroys(self.id, loss);
        }
        statements.push(match note {
            Some(note) => statement.noted(note),
            None => statement,
        });
        // Where the text of the default differs, too, it is the default's own change.
        if apart && before == after && let Some(default) = after {
            statements.push(Column::alter_all(self.id, Pass::AddConstraint, format!("SET DEFAULT {default}")));
        }
        true
    }

    /// How values come to the new type: as Postgres has it, or by a cast that the schema has.
    fn cast(&self) -> Way {
        let (old, new) = (&self.old.data_type, &self.new.data_type);
        let known = way(old, new);
        let cast = Id::new(Kind::Cast, vec![old.clone(), new.clone()]);
        match (self.sides.old.definition(&cast), self.sides.new.definition(&cast)) {
            (Some(Definition::Cast(before)), Some(Definition::Cast(after))) if known == Way::Text && before == after => {
                if after.is_explicit() { Way::Explicit } else { Way::Assignment }
            }
            _ => known,
        }
    }

    /// What can be only when the column has its new type.
    fn enter(&self, statements: &mut Vec<Statement>) {
        match (&self.new.not_null, &self.old.not_null) {
            (Some(new), None) if !self.comes(Column::is_not_null) => {
                // An identity wants it at once.
                let at_once = self.new.identity.is_some() && self.old.identity.is_none();
                if new.is_plain() && !at_once && online::concerns(&lineage::table_of(self.id).path, self.sides) {
                    statements.extend(online::set_not_null(self.id));
                } else if !(new.is_plain() && constraint::is_in_added_primary_key(self.id, self.sides)) {
                    statements.push(new.add(self.id));
                }
                statements.extend(new.say_comment(None, self.id));
            }
            (Some(new), Some(old)) => {
                let renamed_above = self.comes(|it| it.not_null.as_ref().and_then(NotNull::actual));
                new.change(old, self.id, renamed_above, statements);
            }
            _ => {}
        }
        match (&self.new.identity, &self.old.identity) {
            (Some(_), None) if !self.comes(|it| it.identity.is_some()) => {
                let clause = format!("ADD{}", self.new.identity_clause(self.id));
                statements.push(Column::alter_all(self.id, Pass::Alone, clause));
                statements.extend(numbers::take_from_sequence(self.new, self.id, self.sides));
            }
            (Some(new), Some(old)) if new != old && !(self.new.is_mirror() && self.parents.is_some()) => {
                new.change(old, self.id, statements);
            }
            _ => {}
        }
    }

    /// How it is stored and what is known of it. A new type brings its own storage and no compression.
    fn storage(&self, statements: &mut Vec<Statement>, retyped: bool) {
        let (new, old) = (self.new, self.old);
        let (storage, compression) =
            if retyped { (new.type_storage, None) } else { (old.storage, old.compression.as_ref()) };
        if new.storage != storage {
            statements.push(self.alter(Pass::Misc, format!("SET STORAGE {}", new.storage.word())));
        }
        if new.compression.as_ref() != compression {
            statements.push(self.alter(Pass::Misc, new.set_compression()));
        }
        if new.statistics != old.statistics {
            statements.push(self.alter(Pass::Misc, format!("SET STATISTICS {}", new.statistics.unwrap_or(-1))));
        }
        for clause in parameters::changes(&old.options, &new.options) {
            statements.push(self.alter(Pass::Misc, clause));
        }
        if let Some(clause) = foreign_options::changes(&old.fdw_options, &new.fdw_options) {
            statements.push(self.alter(Pass::Misc, clause));
        }
    }
}

/// What a column's new type takes away, in words, if values may come out different.
pub(in crate::schema::kinds) fn new_type_loses(column: &Id, old: &str, new: &str) -> Option<String> {
    loses(old, new).then(|| format!("rounds or cuts what is in the {column}, from {old} to {new}"))
}

impl Identity {
    fn change(&self, old: &Self, id: &Id, statements: &mut Vec<Statement>) {
        if self.sequence != old.sequence {
            let [schema, name] = self.sequence.as_slice() else { return };
            let [old_schema, old_name] = old.sequence.as_slice() else { return };
            if name != old_name {
                let from = qualified(&old.sequence);
                statements.push(Statement::new(format!("ALTER SEQUENCE {from} RENAME TO {}", ident(name))));
            }
            if schema != old_schema {
                let from = qualified(&[old_schema.clone(), name.clone()]);
                statements.push(Statement::new(format!("ALTER SEQUENCE {from} SET SCHEMA {}", ident(schema))));
            }
        }
        let mut clauses = Vec::new();
        if self.always != old.always {
            clauses.push(format!("SET GENERATED {}", if self.always { "ALWAYS" } else { "BY DEFAULT" }));
        }
        let own = |identity: &Self, word: &str| {
            identity.options.clauses(&identity.data_type).iter().any(|clause| clause.starts_with(word))
        };
        // A new type moves bounds that are the old one's to its own by itself.
        let moved = |clause: &str| {
            self.data_type != old.data_type
                && ["MINVALUE", "MAXVALUE"]
                    .iter()
                    .any(|word| clause.starts_with(word) && !own(self, word) && !own(old, word))
        };
        let changes = self.options.changes(&old.options);
        clauses.extend(changes.iter().filter(|clause| !moved(clause)).map(|clause| format!("SET {clause}")));
        let bounds = |identity: &Self| own(identity, "MINVALUE") || own(identity, "MAXVALUE");
        // A new type narrows those that are its own by itself.
        if self.data_type == old.data_type || bounds(self) {
            let (fit, restart) = self.options.fit(&old.options, &self.sequence);
            statements.extend(fit);
            clauses.extend(restart);
        }
        if !clauses.is_empty() {
            statements.push(Column::alter_all(id, Pass::Misc, clauses.join(" ")));
        }
    }
}
