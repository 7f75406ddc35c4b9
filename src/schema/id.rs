//! What an object of a database is called.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::quote;

/// The kinds of objects, in the order in which they are created where nothing else decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Kind {
    Schema,
    Extension,
    AccessMethod,
    Collation,
    Enum,
    /// A type by name only, which the functions of a base type are written with.
    ShellType,
    BaseType,
    Domain,
    DomainConstraint,
    Composite,
    Range,
    Language,
    Sequence,
    Function,
    Operator,
    OperatorFamily,
    OperatorClass,
    /// What is in an operator family by itself.
    FamilyMember,
    Cast,
    Transform,
    Conversion,
    Aggregate,
    TextSearchParser,
    TextSearchTemplate,
    TextSearchDictionary,
    TextSearchConfiguration,
    ForeignDataWrapper,
    Server,
    UserMapping,
    Table,
    Column,
    /// What is said of an identity column's sequence.
    IdentitySequence,
    Default,
    /// That a table is a partition or a child of another.
    Inheritance,
    Constraint,
    View,
    MaterializedView,
    Index,
    /// That a sequence goes with a column.
    SequenceOwner,
    Statistics,
    Rule,
    Trigger,
    EventTrigger,
    Policy,
    Publication,
    /// A table or a schema in a publication.
    PublicationMember,
    Subscription,
    DefaultPrivileges,
    /// On what is Postgres' own or an extension's.
    BuiltinPrivileges,
}

impl Kind {
    /// What a person calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Extension => "extension",
            Self::AccessMethod => "access method",
            Self::Collation => "collation",
            Self::Enum => "enum",
            Self::ShellType => "shell type",
            Self::BaseType => "base type",
            Self::Domain => "domain",
            Self::DomainConstraint => "domain constraint",
            Self::Composite => "composite type",
            Self::Range => "range type",
            Self::Language => "language",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::Operator => "operator",
            Self::OperatorFamily => "operator family",
            Self::OperatorClass => "operator class",
            Self::FamilyMember => "operator family member",
            Self::Cast => "cast",
            Self::Transform => "transform",
            Self::Conversion => "conversion",
            Self::Aggregate => "aggregate",
            Self::TextSearchParser => "text search parser",
            Self::TextSearchTemplate => "text search template",
            Self::TextSearchDictionary => "text search dictionary",
            Self::TextSearchConfiguration => "text search configuration",
            Self::ForeignDataWrapper => "foreign-data wrapper",
            Self::Server => "foreign server",
            Self::UserMapping => "user mapping",
            Self::Table => "table",
            Self::Column => "column",
            Self::IdentitySequence => "identity sequence of column",
            Self::Default => "default",
            Self::Inheritance => "inheritance",
            Self::Constraint => "constraint",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Index => "index",
            Self::SequenceOwner => "sequence owner",
            Self::Statistics => "statistics object",
            Self::Rule => "rule",
            Self::Trigger => "trigger",
            Self::EventTrigger => "event trigger",
            Self::Policy => "policy",
            Self::Publication => "publication",
            Self::PublicationMember => "publication member",
            Self::Subscription => "subscription",
            Self::DefaultPrivileges => "default privileges",
            Self::BuiltinPrivileges => "privileges on",
        }
    }
}

/// An object's kind, and its name with the names of what it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id {
    /// Its kind.
    pub kind: Kind,
    /// From the outermost: `["public", "users", "email"]` for a column. A function's has its argument types as the last. Each kind's
    /// module says what its paths are made of.
    pub path: Vec<String>,
}

impl Id {
    /// Of these.
    pub fn new(kind: Kind, path: Vec<String>) -> Self {
        Self { kind, path }
    }

    /// Its own name, without that of what it is in.
    pub fn name(&self) -> &str {
        let own = match self.kind {
            Kind::Function
            | Kind::Aggregate
            | Kind::Operator
            | Kind::OperatorFamily
            | Kind::OperatorClass
            | Kind::FamilyMember => 1,
            _ => self.path.len().saturating_sub(1),
        };
        self.path.get(own).map_or("", String::as_str)
    }

    /// The schema, for what is in one; otherwise its own name.
    pub fn schema(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The name as SQL writes it where the object stands for itself, such as `public.users`.
    pub(crate) fn qualified(&self) -> String {
        quote::qualified(&self.path)
    }

    /// The name of the relation that this column, constraint, trigger, rule or policy is of, as SQL writes it.
    pub(crate) fn relation(&self) -> String {
        quote::qualified(self.path.get(..2).unwrap_or(&self.path))
    }

    /// Its own name as SQL writes it.
    pub(crate) fn ident(&self) -> String {
        quote::ident(self.name())
    }

    /// What shares one name space with it and would be in its way: the same kind of space and the same name.
    pub(crate) fn slots(&self) -> Vec<(&'static str, Vec<String>)> {
        let schema = || self.schema().to_owned();
        let own = || vec![schema(), self.name().to_owned()];
        match self.kind {
            // A relation has a row type of its name, too.
            Kind::Table | Kind::View | Kind::MaterializedView | Kind::Composite => {
                vec![("relation", own()), ("type", own())]
            }
            Kind::Sequence | Kind::Index => vec![("relation", own())],
            Kind::Enum | Kind::Domain | Kind::Range | Kind::ShellType | Kind::BaseType => vec![("type", own())],
            Kind::Function | Kind::Aggregate => vec![("function", self.path.clone())],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Function | Kind::Aggregate => {
                let [schema, name, arguments] = self.path.as_slice() else {
                    return write!(f, "{} {}", self.kind.label(), self.path.join("."));
                };
                write!(f, "{} {}.{}({arguments})", self.kind.label(), quote::ident(schema), quote::ident(name))
            }
            _ => write!(f, "{} {}", self.kind.label(), self.qualified()),
        }
    }
}
