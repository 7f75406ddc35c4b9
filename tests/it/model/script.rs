//! The migrations of the model test: each leaves a trace that shows what ran, and how often.
//!
//! A transactional script writes a line into `trace.ran` and makes a table that has its revision as a column. An index that is built
//! concurrently can write no line, since its script is one statement; it has its revision as its fill factor, and its script has no
//! `IF NOT EXISTS`, so that a second build of it would be an error.

use std::fmt::Write as _;

/// What a migration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A table, in a transaction.
    Table,
    /// The same, with no way back.
    Irreversible,
    /// A unique index, built concurrently.
    Index,
}

/// How the up script of a file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    None,
    /// When the server reads the message.
    Syntax,
    /// In its second statement.
    RunTime,
    /// At its end, by a deferred constraint.
    Deferred,
}

/// An up script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Up {
    pub(super) kind: Kind,
    pub(super) revision: u32,
    pub(super) comment: u32,
    pub(super) fault: Fault,
}

/// A down script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Down {
    pub(super) revision: u32,
    pub(super) fails: bool,
}

/// The pair of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File {
    pub(super) up: Up,
    /// Not written for a migration with no way back.
    pub(super) down: Down,
}

/// What every database of a case has before its first step. `fuse()` ends the session that runs it, at the call that
/// `trace.fuse.at` names; a sequence counts, since that is what no rollback takes back.
pub(super) const GROUND: &str = "
    drop schema if exists stairwell, trace, shop cascade;
    create schema trace; create schema shop;
    create table trace.ran (at serial, version int, what text, revision int);
    create table trace.fuse (at int); insert into trace.fuse values (0);
    create sequence trace.burnt;
    create function trace.fuse() returns void language plpgsql as $$ begin
      if (select at from trace.fuse) > 0 and nextval('trace.burnt') = (select at from trace.fuse) then
        perform pg_terminate_backend(pg_backend_pid());
        perform pg_sleep(10);
      end if;
    end $$;
    create function trace.ran_fuse() returns trigger language plpgsql as $$ begin perform trace.fuse(); return null; end $$;
    create constraint trigger ran_fuse after insert on trace.ran deferrable initially deferred for each row execute function trace.ran_fuse();
    create table shop.parent (i int primary key);
    create table shop.child (i int references shop.parent deferrable initially deferred);
    create table shop.base (i int); insert into shop.base values (1), (2), (3);
";

/// How often `fuse()` is called in one script: at its start, at its end, and by the deferred trigger.
pub(super) const FUSES: u32 = 3;

impl Up {
    /// Whether only comments differ, which a fingerprint does not see.
    pub(super) fn is_same_code(&self, other: &Self) -> bool {
        Self { comment: 0, ..*self } == Self { comment: 0, ..*other }
    }

    pub(super) fn text(&self, version: u64) -> String {
        let Self { kind, revision, comment, fault } = self;
        let mut text = match kind {
            Kind::Irreversible => "-- stairwell: irreversible the data is gone\n".to_owned(),
            Kind::Index => "-- stairwell: no-transaction\n".to_owned(),
            Kind::Table => String::new(),
        };
        let _ = writeln!(text, "-- comment {comment}");
        if *kind == Kind::Index {
            let column = if *fault == Fault::None { "i" } else { "nonsense" };
            let factor = fill_factor(*revision);
            let _ = writeln!(
                text,
                "create unique index concurrently i{version} on shop.base ({column}) with (fillfactor = {factor});"
            );
            return text;
        }
        let _ = writeln!(text, "select trace.fuse();\ncreate table shop.t{version} (r{revision} int);");
        text.push_str(match fault {
            Fault::None => "",
            Fault::Syntax => "creat table shop.never (i int);\n",
            Fault::RunTime => "select 1 / (select 0);\n",
            Fault::Deferred => "insert into shop.child values (1);\n",
        });
        let _ = writeln!(
            text,
            "insert into trace.ran (version, what, revision) values ({version}, 'up', {revision});\nselect trace.fuse();"
        );
        text
    }
}

impl Down {
    pub(super) fn text(self, version: u64, kind: Kind) -> Option<String> {
        let revision = self.revision;
        match kind {
            Kind::Irreversible => None,
            Kind::Index => Some(format!(
                "-- stairwell: no-transaction\n-- revision {revision}\ndrop index concurrently shop.i{version};\n"
            )),
            Kind::Table => {
                let fault = if self.fails { "select 1 / (select 0);\n" } else { "" };
                Some(format!(
                    "select trace.fuse();\ndrop table shop.t{version};\n{fault}\
                     insert into trace.ran (version, what, revision) values ({version}, 'down', {revision});\nselect trace.fuse();\n"
                ))
            }
        }
    }
}

/// From 10 to 100, as Postgres has it.
pub(super) fn fill_factor(revision: u32) -> u32 {
    10 + revision % 90
}
