//! Reading a database's schema into values, comparing two, and writing the statements that make one of the other.

mod acl;
mod aside;
mod catalog;
mod compare;
mod difference;
mod dump;
mod id;
mod kinds;
mod loss;
mod privileges;
mod proof;
pub(crate) mod quote;
mod read;
mod rename;
mod round_trip;
mod scratch;
mod script;
mod source;
mod statement;
mod steps;
mod template;
mod trace;

pub use aside::{Aside, Secret};
pub use catalog::{Catalog, Grant, Grantee, Needs, Object, Tie};
pub use compare::{Impossible, Manner, compare, compare_in};
pub use difference::{Difference, Field, How, differences, tree};
pub use dump::{DUMP_MARK, DumpError, dump};
pub use id::{Id, Kind};
pub use kinds::Definition;
pub use loss::{Loss, count_losses};
pub use proof::{CopyFailed, Flaw, Leg, Proof};
pub use read::{ReadError, Without};
pub use rename::{Rename, RenameError, likely};
pub use round_trip::{End, Fault, RoundTrips, Trying, Verdict};
#[cfg(feature = "testing")]
pub(crate) use scratch::strategy;
pub use scratch::{MissingRoles, Scratch, ScratchError, StatementFailed, Workshop, clean_up_when_interrupted};
pub use script::{Part, Script};
pub use source::{Source, SourceError};
pub use statement::Statement;
pub use steps::{Back, Step, Steps, Way};
pub use template::Templates;
pub use trace::{TableLock, Touch, Trace};
