//! Reading a database's schema into values, comparing two, and writing the statements that make one of the other.

mod acl;
mod aside;
mod catalog;
mod compare;
mod id;
mod kinds;
mod privileges;
mod quote;
mod read;
mod scratch;
mod script;
mod source;
mod statement;

pub use aside::{Aside, Secret};
pub use catalog::{Catalog, Grant, Grantee, Needs, Object, Tie};
pub use compare::{Impossible, Manner, compare, compare_in};
pub use id::{Id, Kind};
pub use kinds::Definition;
pub use read::{ReadError, Without};
pub use scratch::{MissingRoles, Scratch, ScratchError, StatementFailed, Workshop};
pub use script::{Part, Script};
pub use source::{Source, SourceError};
pub use statement::Statement;
