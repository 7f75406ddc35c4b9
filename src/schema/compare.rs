//! From two catalogs to the statements that make one of the other.
//!
//! `fate` decides what becomes of each object, and of those that depend on it; `order` puts that into one order; `facets` writes owner,
//! privileges and comments; `fold` joins what reads better as one statement. What SQL a kind needs, its module in [`super::kinds`] knows.

mod facets;
mod fate;
mod fold;
mod graph;
mod order;
#[cfg(test)]
mod tests;

use std::fmt;

use super::catalog::Catalog;
use super::id::Id;
use super::kinds::Sides;
use super::script::Script;
use super::statement::Statement;
use order::Layout;

/// An object that cannot be made what it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The object.
    pub id: Id,
    /// Why, and what a person can do instead.
    pub why: String,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.why)
    }
}

/// What a script is made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// To be short: in one transaction where that can be.
    #[default]
    Plain,
    /// To let a table be used while it changes: in several transactions, none of which keeps writers out while it reads all rows.
    Online,
}

/// The statements that make `new` of `old`. Both are of servers of one major version.
///
/// The order of columns is no difference: an added column stands last. Fails with all that there is no way for.
pub fn compare(old: &Catalog, new: &Catalog) -> Result<Script, Vec<Impossible>> {
    compare_in(old, new, Manner::Plain)
}

/// [`compare`] with a say in how it is done.
pub fn compare_in(old: &Catalog, new: &Catalog, manner: Manner) -> Result<Script, Vec<Impossible>> {
    let sides = Sides { old, new, manner };
    let fates = fate::decide(sides)?;
    let sections = order::order(sides, &fates, Layout::ByKind);
    let statements = sections.into_iter().flat_map(|section| section.statements).collect();
    Ok(Script { statements: fold::neighbours(statements) })
}

/// The statements that make `new` of `old` for who reads them as a description: what belongs to a table stands with it, as far as what
/// they need allows it. One list for each table, function, view, …
pub(super) fn describe(old: &Catalog, new: &Catalog) -> Result<Vec<Vec<Statement>>, Vec<Impossible>> {
    let sides = Sides { old, new, manner: Manner::Plain };
    let fates = fate::decide(sides)?;
    let sections = order::order(sides, &fates, Layout::ByHome);
    let statements = sections.into_iter().map(|section| fold::neighbours(section.statements));
    Ok(statements.filter(|statements| !statements.is_empty()).collect())
}
