//! What a rule is.

use std::ops::Range;

use squawk_linter::Violation;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

use super::tree::{altered, key, words};
use super::world::{Made, World};
pub(crate) use crate::settings::Level;

/// A hazard, how it is found, and what to write instead. Each has a file in `rules/`, which is its page in `docs/lint/` as well.
pub(crate) struct Rule {
    /// In brackets in the output, in `-- stairwell: allow <name> <reason>`, and in `[workspace.metadata.stairwell.lint]`.
    pub(crate) name: &'static str,
    /// What it finds, in one line.
    pub(crate) summary: &'static str,
    /// Unless the project says otherwise.
    pub(crate) level: Level,
    /// What happens, and to whom.
    pub(crate) why: &'static str,
    /// What to do, in a sentence and SQL.
    pub(crate) instead: &'static str,
    pub(crate) check: Check,
    /// Scripts in which it finds something.
    pub(crate) hazards: &'static [&'static str],
    /// Scripts in which neither it nor any other rule that is on finds something.
    pub(crate) safe: &'static [&'static str],
}

impl Rule {
    /// What the build finds of it.
    pub(crate) fn of_build(&self) -> &'static [stairwell::Rule] {
        match self.check {
            Check::Build(found) | Check::BuildAnd(found, _) => found,
            _ => &[],
        }
    }

    /// Whether a script silences it with `allow`, and a project sets its level. What the build finds has ways of its own.
    pub(crate) fn is_linters(&self) -> bool {
        self.of_build().is_empty()
    }
}

/// How it is found.
pub(crate) enum Check {
    /// The build finds it, at a level of its own.
    Build(&'static [stairwell::Rule]),
    /// The build finds what it can by words alone, and the function the rest.
    BuildAnd(&'static [stairwell::Rule], fn(&At<'_>, &mut Vec<Found>)),
    /// squawk cannot read it.
    Unread,
    /// It was seen on a scratch database.
    Traced,
    /// squawk finds it, and what it finds counts if the function says so.
    Squawk(&'static [squawk_linter::Rule], fn(&At<'_>, &Violation) -> bool),
    /// The function finds it in a statement.
    Ours(fn(&At<'_>, &mut Vec<Found>)),
    /// squawk finds some of it, and the function the rest.
    Both(&'static [squawk_linter::Rule], fn(&At<'_>, &Violation) -> bool, fn(&At<'_>, &mut Vec<Found>)),
}

/// A statement in its place.
pub(crate) struct At<'a> {
    pub(crate) stmt: &'a ast::Stmt,
    /// Its place in the script, from 0.
    pub(crate) n: usize,
    pub(crate) script: &'a Script<'a>,
    /// What the earlier migrations, and the statements before it, have made.
    pub(crate) world: &'a World,
    /// What the statements before it have made.
    pub(crate) made: &'a Made,
}

/// A script as the rules see it.
pub(crate) struct Script<'a> {
    pub(crate) statements: &'a [Parsed],
    /// Whether it runs in a transaction.
    pub(crate) in_transaction: bool,
}

/// A statement.
pub(crate) struct Parsed {
    /// Where it begins in the script, in bytes.
    pub(crate) start: usize,
    /// Not there if squawk cannot read it.
    pub(crate) stmt: Option<ast::Stmt>,
    pub(crate) violations: Vec<Violation>,
}

/// What a rule has found.
pub(crate) struct Found {
    /// Where, in bytes of the statement.
    pub(crate) span: Range<usize>,
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// What to write instead: SQL where that can be said with the statement's own names.
    pub(crate) help: Vec<String>,
}

impl Found {
    /// At a node.
    pub(crate) fn at(node: &SyntaxNode, message: impl Into<String>) -> Self {
        Self { span: span(node), message: message.into(), help: Vec::new() }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Where a node's words begin and end.
pub(crate) fn span(node: &SyntaxNode) -> Range<usize> {
    let range = node.text_range();
    let first = super::tree::tokens(node).next().map_or(range.start(), |token| token.text_range().start());
    usize::from(first)..usize::from(range.end())
}

impl At<'_> {
    /// The statement as a node.
    pub(crate) fn node(&self) -> &SyntaxNode {
        self.stmt.syntax()
    }

    /// The statements before it that squawk could read.
    pub(crate) fn before(&self) -> impl Iterator<Item = &ast::Stmt> {
        self.script.statements.iter().take(self.n).filter_map(|parsed| parsed.stmt.as_ref())
    }

    /// Whether the table is as old as another migration, or older: it may have rows, and readers.
    pub(crate) fn is_old(&self, table: &str) -> bool {
        !self.made.has(table)
    }

    /// The relation that the statement is about, where it is one.
    pub(crate) fn relation(&self) -> Option<String> {
        relation(self.stmt)
    }

    /// The table of an `ALTER TABLE`, if it is an old one.
    pub(crate) fn old_table(&self) -> Option<(String, &ast::AlterTable)> {
        let ast::Stmt::AlterTable(alter) = self.stmt else { return None };
        let table = altered(alter).map(|name| key(&name))?;
        self.is_old(&table).then_some((table, alter))
    }

    /// The old tables that the statement locks against reading.
    pub(crate) fn locks(&self) -> Vec<String> {
        let mut locked = locked(self.stmt);
        locked.retain(|table| self.is_old(table));
        locked
    }

    /// The old tables that earlier statements of the same transaction have locked against reading.
    pub(crate) fn locked_before(&self) -> Vec<String> {
        if !self.script.in_transaction {
            return Vec::new();
        }
        let mut all: Vec<String> = self.before().flat_map(locked).collect();
        // What the script makes before this statement it may have made after the lock, which would not be possible.
        all.retain(|table| self.is_old(table));
        all
    }
}

/// The relation that a statement is about.
fn relation(stmt: &ast::Stmt) -> Option<String> {
    let node = match stmt {
        ast::Stmt::AlterTable(alter) => altered(alter)?,
        ast::Stmt::CreateIndex(create) => create.table_relation_name()?.syntax().clone(),
        ast::Stmt::AlterView(alter) => alter.view_ref()?.syntax().clone(),
        ast::Stmt::AlterMaterializedView(alter) => alter.view_ref()?.syntax().clone(),
        _ => return None,
    };
    Some(key(&node))
}

/// The tables that a statement locks against reading: with ACCESS EXCLUSIVE.
fn locked(stmt: &ast::Stmt) -> Vec<String> {
    match stmt {
        ast::Stmt::AlterTable(alter) => {
            let is_mild = |action: ast::AlterTableAction| match action {
                ast::AlterTableAction::ValidateConstraint(_)
                | ast::AlterTableAction::AttachPartition(_)
                | ast::AlterTableAction::ClusterOn(_)
                | ast::AlterTableAction::SetWithoutCluster(_) => true,
                ast::AlterTableAction::AddConstraint(add) => {
                    matches!(add.constraint(), Some(ast::Constraint::ForeignKeyConstraint(_)))
                }
                ast::AlterTableAction::AlterColumn(alter) => matches!(
                    alter.option(),
                    Some(
                        ast::AlterColumnOption::SetStatistics(_)
                            | ast::AlterColumnOption::SetOptions(_)
                            | ast::AlterColumnOption::ResetOptions(_)
                    )
                ),
                _ => false,
            };
            let locks = alter.actions().any(|action| !is_mild(action));
            altered(alter).filter(|_| locks).map(|name| key(&name)).into_iter().collect()
        }
        ast::Stmt::DropTable(drop) => drop.table_name_refs().map(|name| key(name.syntax())).collect(),
        ast::Stmt::Truncate(truncate) => {
            let list = truncate.table_list();
            list.iter().flat_map(ast::TableList::table_relation_names).map(|name| key(name.syntax())).collect()
        }
        ast::Stmt::Lock(lock)
            if lock.lock_mode_clause().is_none_or(|mode| words(mode.syntax()).contains("access exclusive")) =>
        {
            let list = lock.relation_list();
            list.iter().flat_map(ast::RelationList::relation_names).map(|name| key(name.syntax())).collect()
        }
        _ => Vec::new(),
    }
}
