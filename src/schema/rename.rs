//! Objects that have another name on the new side. Nobody can tell that from two schemas, so a person has to say it.

mod likeness;
mod spelling;

use std::fmt;

use super::catalog::Catalog;
use super::id::{Id, Kind};
use super::kinds::Definition;
use super::quote::{ident, literal, qualified};
use super::statement::Statement;

pub use self::likeness::likely;
pub use self::spelling::RenameError;

/// That an object, or a value of an enum, has another name on the new side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// As it is on the old side; for a value, the enum.
    id: Id,
    /// The value of an enum.
    value: Option<String>,
    /// The new name.
    new: String,
}

impl Rename {
    pub(super) fn object(id: &Id, new: &str) -> Self {
        Self { id: id.clone(), value: None, new: new.to_owned() }
    }

    pub(super) fn value(id: &Id, old: &str, new: &str) -> Self {
        Self { id: id.clone(), value: Some(old.to_owned()), new: new.to_owned() }
    }

    /// The object, or for a value its enum, by its old name.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Whether it is of something within another object, whose new name may stand in its path or not.
    pub fn is_inner(&self) -> bool {
        self.value.is_some() || self.id.path.len() > 2 && !matches!(self.id.kind, Kind::Function | Kind::Aggregate)
    }

    /// Whether it only follows from others: a constraint or an index that is named after its table and its columns, as Postgres names
    /// them.
    pub fn follows(&self, others: &[Self]) -> bool {
        let named_after = matches!(self.id.kind, Kind::Constraint | Kind::Index | Kind::Sequence | Kind::Statistics);
        let gives_names = |other: &&Self| matches!(other.id.kind, Kind::Table | Kind::Column) && other.value.is_none();
        // With the underscores that Postgres joins its parts with.
        let joined = |name: &str| format!("_{name}_");
        let follow = |name: String, other: &Self| name.replace(&joined(other.id.name()), &joined(&other.new));
        named_after && others.iter().filter(gives_names).fold(joined(self.id.name()), follow) == joined(&self.new)
    }

    /// The statement that does it; the catalog has the object by its old or its new name.
    pub fn statement(&self, catalog: &Catalog) -> Option<Statement> {
        let new = ident(&self.new);
        if let Some(value) = &self.value {
            let (value, new) = (literal(value), literal(&self.new));
            return Some(Statement::new(format!("ALTER TYPE {} RENAME VALUE {value} TO {new}", self.id.qualified())));
        }
        let (relation, own) = (self.id.relation(), self.id.ident());
        let sql = match self.id.kind {
            Kind::Column => format!("ALTER TABLE {relation} RENAME COLUMN {own} TO {new}"),
            Kind::Constraint => format!("ALTER TABLE {relation} RENAME CONSTRAINT {own} TO {new}"),
            Kind::DomainConstraint => format!("ALTER DOMAIN {relation} RENAME CONSTRAINT {own} TO {new}"),
            _ => format!("ALTER {} RENAME TO {new}", self.definition(catalog)?.phrase(&self.id)),
        };
        Some(Statement::new(sql))
    }

    /// What it is, which a rename does not change.
    fn definition<'a>(&self, catalog: &'a Catalog) -> Option<&'a Definition> {
        catalog.definition(&self.id).or_else(|| catalog.definition(&self.target()))
    }

    /// The same backwards.
    #[must_use]
    pub fn reversed(&self) -> Self {
        match &self.value {
            Some(value) => Self { value: Some(self.new.clone()), new: value.clone(), ..self.clone() },
            None => Self { id: self.target(), value: None, new: self.id.name().to_owned() },
        }
    }

    /// What it is called on the new side.
    pub(super) fn target(&self) -> Id {
        if self.value.is_some() { self.id.clone() } else { renamed(&self.id, &self.new) }
    }

    /// What something is called that has this name once the rename is done.
    pub(super) fn before(&self, id: &Id) -> Id {
        let target = self.target();
        let is_it = self.value.is_none() && id.path.starts_with(&target.path);
        if !is_it || id.kind != target.kind && !matches!(target.kind, Kind::Schema | Kind::Table) {
            return id.clone();
        }
        let inner = id.path.get(target.path.len()..).unwrap_or_default();
        Id::new(id.kind, [self.id.path.as_slice(), inner].concat())
    }

    /// As an argument has it: `public.users.phone:mobile`.
    pub fn spelling(&self) -> String {
        let arguments = match self.id.kind {
            Kind::Function | Kind::Aggregate => self.id.path.get(2),
            _ => None,
        };
        let path = match arguments {
            Some(arguments) => {
                format!("{}({arguments})", qualified(self.id.path.get(..2).unwrap_or_default()))
            }
            None => self.id.qualified(),
        };
        let value = self.value.as_deref().map(|value| format!(".{}", ident(value))).unwrap_or_default();
        format!("{path}{value}:{}", ident(&self.new))
    }
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "the value {} of {} to {}", literal(value), self.id, literal(&self.new)),
            None => write!(f, "the {} to {}", self.id, ident(&self.new)),
        }
    }
}

/// The kinds that `RENAME` is for.
fn has_rename(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Cast
            | Kind::Default
            | Kind::DefaultPrivileges
            | Kind::BuiltinPrivileges
            | Kind::Extension
            | Kind::IdentitySequence
            | Kind::Inheritance
            | Kind::Operator
            | Kind::PublicationMember
            | Kind::SequenceOwner
            | Kind::Transform
            | Kind::UserMapping
            | Kind::AccessMethod
    )
}

/// The id under another name.
fn renamed(id: &Id, new: &str) -> Id {
    let mut id = id.clone();
    let own = match id.kind {
        Kind::Function | Kind::Aggregate | Kind::OperatorFamily | Kind::OperatorClass => 1,
        _ => id.path.len().saturating_sub(1),
    };
    if let Some(name) = id.path.get_mut(own) {
        new.clone_into(name);
    }
    id
}

/// The values of an enum.
fn values(catalog: &Catalog, id: &Id) -> Vec<String> {
    let definition = catalog.definition(id).and_then(|it| serde_json::to_value(it).ok());
    let values = definition
        .and_then(|mut it| it.get_mut("enum").and_then(|it| it.get_mut("values")).map(serde_json::Value::take));
    values.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default()
}
