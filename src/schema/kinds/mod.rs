//! What each kind of object is made of, how it is read, and the statements that make, change and remove it.
//!
//! One module a kind. To add one: a struct with what distinguishes two of the kind, an [`Entity`] for it, and a line in the list at the
//! end of this file. Everything else (order, dependencies, owner, privileges, comments, recreation) is the comparison's.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, Grant};
use super::compare::Manner;
use super::id::{Id, Kind};
use super::statement::Statement;

mod firing;
mod foreign_options;
mod lineage;
mod names;
mod online;
mod parameters;

pub(super) use shell_type::cut as cut_cycles;

/// Both sides of a comparison, for what a kind's statements need of other objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) old: &'a Catalog,
    pub(crate) new: &'a Catalog,
    pub(crate) manner: Manner,
}

/// Which dependent kinds have to go while an object is changed in place.
pub(crate) type Disturbs = fn(Kind) -> bool;

/// How an object becomes what it shall be.
#[derive(Debug)]
pub(crate) enum Change {
    /// By these, in place. Nothing that depends on it stands in their way.
    Alter(Vec<Statement>),
    /// By these, in place; but those dependent objects of which the function says so have to be dropped before and made again after.
    Disturb(Vec<Statement>, Disturbs),
    /// It is dropped and made again, and with it all that depends on it. Never for what holds data.
    Replace,
    /// A type: the old one is renamed out of the way, the columns that have it take the new one, and then the old one is dropped.
    Swap,
    /// There is no way; why, and what a person can do instead.
    Impossible(String),
}

/// How an object can be written into the statement that makes another one, its host.
#[derive(Debug)]
pub(crate) enum Inline {
    /// As an element of the `CREATE TABLE` of this table.
    Element { table: Id, text: String },
    /// Behind the column, where that is made: in a `CREATE TABLE` or an `ADD COLUMN`.
    Suffix { column: Id, text: String },
    /// It comes by itself with the host: nothing is written.
    Implied { host: Id },
}

/// The privileges on each column.
pub(crate) type ColumnGrants<'a> = Vec<(&'a str, &'a BTreeSet<Grant>)>;

/// What the comparison wants to know of each kind.
pub(crate) trait Entity: Serialize + DeserializeOwned {
    /// The statement that reads all of the kind: one JSON value a row, see `read::Row`. `server` is the major version.
    fn query(server: u32) -> String;

    /// The object as `COMMENT ON` has it: `TABLE public.users`, `CONSTRAINT users_pkey ON public.users`.
    fn phrase(&self, id: &Id) -> String;

    /// The same for `ALTER … OWNER TO`.
    fn owner_phrase(&self, id: &Id) -> String {
        self.phrase(id)
    }

    /// Whether its owner is its own to have, and not that of what it is a part of.
    fn has_own_owner(&self) -> bool {
        true
    }

    /// `privileges` of it as `GRANT` has it, without the grantee: `SELECT ON TABLE public.users`.
    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON {}", self.phrase(id))
    }

    /// The letter that Postgres' `acldefault` has for the kind, for those with privileges.
    fn acl_kind(&self) -> Option<char> {
        None
    }

    /// The privileges on its columns, where these are no objects of their own.
    fn column_grants(&self) -> ColumnGrants<'_> {
        Vec::new()
    }

    /// The comment that it has when it is made: an extension brings one.
    fn initial_comment(&self) -> Option<&str> {
        None
    }

    /// What it adds to the privileges of what is made; see [`DefaultPrivileges`].
    fn default_privileges(&self) -> Option<&BTreeSet<Grant>> {
        None
    }

    /// Names that it takes in name spaces which it shares with others.
    fn slots(&self, id: &Id) -> Vec<(&'static str, Vec<String>)> {
        id.slots()
    }

    /// What makes it; of what it is in, and of what it needs, all is there.
    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement>;

    /// How it is written into another's statement, where it can be.
    fn inline(&self, _id: &Id, _sides: Sides<'_>) -> Option<Inline> {
        None
    }

    /// What removes it; nothing needs it any more.
    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement>;

    /// What makes `self`, which is on the new side, of `old`. Called only where they differ.
    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change;

    /// Whether it has to be dropped and made again though it is the same on both sides.
    fn is_in_the_way(&self, _id: &Id, _sides: Sides<'_>) -> bool {
        false
    }

    /// For [`Change::Swap`]: what renames the old one out of the way, and the id that it has then.
    fn move_away(&self, _id: &Id) -> Option<(Statement, Id)> {
        None
    }

    /// For a column whose type is swapped: what gives it the new type of the same name (nothing where it comes with a parent's), and
    /// which dependents that disturbs.
    fn retype(&self, _id: &Id, _sides: Sides<'_>) -> Option<(Option<Statement>, Disturbs)> {
        None
    }

    /// Whether what it holds can be computed again, so that it may be dropped and made again: a generated column.
    fn is_derived(&self) -> bool {
        false
    }
}

/// Writes the enum of all kinds' definitions, and passes calls on to them.
macro_rules! definitions {
    ($($module:ident :: $kind:ident),* $(,)?) => {
        $(pub(in crate::schema) mod $module;)*

        /// What an object is, by its kind.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        #[non_exhaustive]
        pub enum Definition {
            $($kind($module::$kind),)*
        }

        /// Every kind with the statement that reads it.
        pub(crate) fn queries(server: u32) -> Vec<(Kind, String)> {
            vec![$((Kind::$kind, <$module::$kind as Entity>::query(server)),)*]
        }

        impl Definition {
            /// Of the JSON that a kind's query gives.
            pub(crate) fn from_json(kind: Kind, value: serde_json::Value) -> Result<Self, serde_json::Error> {
                match kind {
                    $(Kind::$kind => serde_json::from_value(value).map(Self::$kind),)*
                    #[allow(unreachable_patterns)]
                    _ => Err(serde::de::Error::custom("a kind without a module")),
                }
            }

            pub(crate) fn phrase(&self, id: &Id) -> String {
                match self { $(Self::$kind(it) => it.phrase(id),)* }
            }

            pub(crate) fn owner_phrase(&self, id: &Id) -> String {
                match self { $(Self::$kind(it) => it.owner_phrase(id),)* }
            }

            pub(crate) fn has_own_owner(&self) -> bool {
                match self { $(Self::$kind(it) => it.has_own_owner(),)* }
            }

            pub(crate) fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
                match self { $(Self::$kind(it) => it.grant_phrase(id, privileges),)* }
            }

            pub(crate) fn acl_kind(&self) -> Option<char> {
                match self { $(Self::$kind(it) => it.acl_kind(),)* }
            }

            pub(crate) fn column_grants(&self) -> ColumnGrants<'_> {
                match self { $(Self::$kind(it) => it.column_grants(),)* }
            }

            pub(crate) fn initial_comment(&self) -> Option<&str> {
                match self { $(Self::$kind(it) => it.initial_comment(),)* }
            }

            pub(crate) fn default_privileges(&self) -> Option<&BTreeSet<Grant>> {
                match self { $(Self::$kind(it) => it.default_privileges(),)* }
            }

            pub(crate) fn slots(&self, id: &Id) -> Vec<(&'static str, Vec<String>)> {
                match self { $(Self::$kind(it) => it.slots(id),)* }
            }

            pub(crate) fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
                match self { $(Self::$kind(it) => it.create(id, sides),)* }
            }

            pub(crate) fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
                match self { $(Self::$kind(it) => it.inline(id, sides),)* }
            }

            pub(crate) fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
                match self { $(Self::$kind(it) => it.drop(id, sides),)* }
            }

            pub(crate) fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
                match (self, old) {
                    $((Self::$kind(it), Self::$kind(old)) => it.change(old, id, sides),)*
                    // An id holds its kind, so both are of one.
                    #[allow(unreachable_patterns)]
                    _ => Change::Replace,
                }
            }

            pub(crate) fn is_in_the_way(&self, id: &Id, sides: Sides<'_>) -> bool {
                match self { $(Self::$kind(it) => it.is_in_the_way(id, sides),)* }
            }

            pub(crate) fn move_away(&self, id: &Id) -> Option<(Statement, Id)> {
                match self { $(Self::$kind(it) => it.move_away(id),)* }
            }

            pub(crate) fn retype(&self, id: &Id, sides: Sides<'_>) -> Option<(Option<Statement>, Disturbs)> {
                match self { $(Self::$kind(it) => it.retype(id, sides),)* }
            }

            pub(crate) fn is_derived(&self) -> bool {
                match self { $(Self::$kind(it) => it.is_derived(),)* }
            }
        }
    };
}

definitions! {
    access_method::AccessMethod,
    aggregate::Aggregate,
    base_type::BaseType,
    builtin_privileges::BuiltinPrivileges,
    cast::Cast,
    collation::Collation,
    column::Column,
    composite::Composite,
    constraint::Constraint,
    conversion::Conversion,
    default::Default,
    default_privileges::DefaultPrivileges,
    domain::Domain,
    domain_constraint::DomainConstraint,
    enumeration::Enum,
    event_trigger::EventTrigger,
    extension::Extension,
    family_member::FamilyMember,
    foreign_data_wrapper::ForeignDataWrapper,
    function::Function,
    identity_sequence::IdentitySequence,
    index::Index,
    inheritance::Inheritance,
    language::Language,
    materialized_view::MaterializedView,
    operator::Operator,
    operator_class::OperatorClass,
    operator_family::OperatorFamily,
    policy::Policy,
    publication::Publication,
    publication_member::PublicationMember,
    range::Range,
    rule::Rule,
    schema::Schema,
    sequence::Sequence,
    sequence_owner::SequenceOwner,
    server::Server,
    shell_type::ShellType,
    statistics::Statistics,
    subscription::Subscription,
    table::Table,
    text_search_configuration::TextSearchConfiguration,
    text_search_dictionary::TextSearchDictionary,
    text_search_parser::TextSearchParser,
    text_search_template::TextSearchTemplate,
    transform::Transform,
    trigger::Trigger,
    user_mapping::UserMapping,
    view::View,
}
