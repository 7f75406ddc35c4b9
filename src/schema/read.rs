//! Reading a catalog: one message of a few set-based statements, all of one snapshot, and then no more of the server.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use serde::Deserialize;

use super::acl;
use super::catalog::{Catalog, Grantee, Object, Tie};
use super::id::{Id, Kind};
use super::kinds::{Definition, cut_cycles, queries};
use super::quote::CURRENT_USER;
use crate::postgres::{Failed, Ledger, Session};

/// What of a database is not part of its schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Without {
    /// The ledger: its schema, unless that is `public`, and its table with all that is of it, and its functions.
    pub ledger: Option<(String, String)>,
}

impl From<&Ledger> for Without {
    fn from(ledger: &Ledger) -> Self {
        Self { ledger: Some(ledger.names()) }
    }
}

/// How often a session reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Once; nothing is left in it, so that it may be a pooler's.
    Once,
    /// Several times: it keeps the statements prepared, which take longer to plan than to run.
    Again,
}

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The server said no, or went away.
    #[error("the catalog cannot be read: {0}")]
    Server(String),
    /// What came back is not what was asked for.
    #[error(
        "the server gave a {0} that is not understood: {1}\n  = help: this is a defect of stairwell; please report it with the server's version"
    )]
    Row(&'static str, String),
}

/// The oids of these are the same everywhere.
const PG_ATTRDEF: u32 = 2604;
const PG_TRIGGER: u32 = 2620;

/// Class, object and column, as `pg_depend` has them.
type Address = (u32, u32, i32);

/// What a kind's statement gives for each object.
#[derive(Deserialize)]
struct Row {
    address: Address,
    path: Vec<String>,
    /// What it is in, where `pg_depend` does not say so: a column's table.
    parent: Option<Address>,
    /// What it needs, and what it only comes after, where `pg_depend` does not say so.
    needs: Option<Vec<Address>>,
    after: Option<Vec<Address>>,
    owner: Option<u32>,
    grants: Option<Vec<String>>,
    position: Option<u32>,
    definition: serde_json::Value,
}

/// The address of an object as JSON; `oid` is an expression.
pub(super) fn address(class: &str, oid: &str) -> String {
    part(class, oid, "0")
}

/// The address of a column.
pub(super) fn part(class: &str, oid: &str, column: &str) -> String {
    format!("json_build_array('pg_catalog.{class}'::regclass::oid::bigint, ({oid})::bigint, {column})")
}

/// The privileges of an object as JSON: what is stored, or what a NULL stands for.
pub(super) fn grants(kind: char, acl: &str, owner: &str) -> String {
    format!("to_json(coalesce({acl}, acldefault('{kind}', {owner}))::text[])")
}

/// The privileges on a column as JSON, as [`super::Grant`] is read; for columns that are no objects of their own.
pub(super) fn column_grants(acl: &str, owner: &str) -> String {
    format!("coalesce((SELECT json_agg({}) FROM aclexplode({acl}) WITH ORDINALITY x), '[]'::json)", grant("x", owner))
}

/// A row of `aclexplode … WITH ORDINALITY` as JSON, as [`super::Grant`] is read.
pub(super) fn grant(alias: &str, owner: &str) -> String {
    format!(
        "json_build_object('grantee', CASE {alias}.grantee WHEN {owner} THEN to_json('owner'::text) WHEN 0 THEN to_json('public'::text)
            ELSE json_build_object('role', {name}) END, 'privilege', {alias}.privilege_type, 'grantable', {alias}.is_grantable, 'place', {alias}.ordinality)",
        name = role_name(&format!("{alias}.grantee")),
    )
}

/// The name of a role, as the catalog has it.
pub(super) fn role_name(oid: &str) -> String {
    format!(
        "(SELECT CASE WHEN rn.rolname = current_user THEN '{CURRENT_USER}' ELSE rn.rolname END FROM pg_roles rn WHERE rn.oid = {oid})"
    )
}

/// The name of a function without its arguments, as SQL writes it; NULL for 0.
pub(super) fn function_name(oid: &str) -> String {
    format!(
        "(SELECT quote_ident(fs.nspname) || '.' || quote_ident(fn.proname)
            FROM pg_proc fn JOIN pg_namespace fs ON fs.oid = fn.pronamespace WHERE fn.oid = {oid})"
    )
}

/// Whether the schema of this alias of `pg_namespace` is one that users make.
pub(super) fn user_schema(alias: &str) -> String {
    format!("{alias}.nspname !~ '^pg_' AND {alias}.nspname <> 'information_schema'")
}

/// Whether an object is an extension's.
pub(super) fn owned_by_extension(class: &str, oid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_catalog.{class}'::regclass AND e.objid = {oid} AND e.deptype = 'e')"
    )
}

/// What is below this `oid` was made by initdb.
pub(super) const FIRST_NORMAL_OID: u32 = 16384;

impl Catalog {
    /// Reads the catalog of the database that the session is connected to. Nothing is written, and nothing stays set.
    pub(crate) fn read(session: &mut Session, reading: Reading, without: &Without) -> Result<Self, ReadError> {
        let facts = "SELECT current_setting('server_version_num'),
            (SELECT count(*) FROM pg_prepared_statements WHERE name ~ '^stairwell_read_[0-9]+$')";
        let facts = session.send(facts).map_err(|failed| ReadError::Server(reason(&failed)))?;
        let fact = |n| facts.first().and_then(|row| row.get(n)).and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let server = u32::try_from(fact(0) / 10_000).unwrap_or(0);
        let kinds = queries(server);
        let mut message = String::from(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off;
             SET LOCAL extra_float_digits = 1; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres';
             SET LOCAL jit = off; SET LOCAL default_toast_compression = 'pglz';\n",
        );
        if reading == Reading::Again && fact(1) != kinds.len() {
            // In this transaction, for a plan is of its search path.
            message.push_str("DEALLOCATE ALL;\n");
            for (index, (_, query)) in kinds.iter().enumerate() {
                let _ = writeln!(message, "PREPARE stairwell_read_{index} AS SELECT {index}, q.* FROM ({query}) q;");
            }
        }
        for (index, (_, query)) in kinds.iter().enumerate() {
            let _ = match reading {
                Reading::Once => writeln!(message, "SELECT {index}, q.* FROM ({query}) q;"),
                Reading::Again => writeln!(message, "EXECUTE stairwell_read_{index};"),
            };
        }
        let _ = write!(
            message,
            "SELECT 'role', oid, rolname, rolname = current_user FROM pg_roles;
             SELECT 'comment', classoid, objoid, objsubid, description FROM pg_description WHERE objoid >= {FIRST_NORMAL_OID}
                 OR classoid = 'pg_namespace'::regclass;
             SELECT 'comment', 'pg_subscription'::regclass::oid, objoid, 0, description FROM pg_shdescription
                 WHERE classoid = 'pg_subscription'::regclass;
             SELECT 'label', classoid, objoid, objsubid, provider, label FROM pg_seclabel;
             SELECT 'need', classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype FROM pg_depend
                 WHERE objid >= {FIRST_NORMAL_OID};
             COMMIT"
        );
        let rows = match session.ask(&message) {
            (rows, Ok(())) => rows,
            (_, Err(failed)) => {
                let _ = session.send("ROLLBACK");
                // A pooler gave it another connection meanwhile, which has not or has already got the statements.
                if reading == Reading::Again && matches!(failed.code(), "26000" | "42P05") {
                    return Self::read(session, Reading::Once, without);
                }
                return Err(ReadError::Server(reason(&failed)));
            }
        };
        let mut raw = Raw::default();
        for row in &rows {
            let text = |n: usize| row.get(n).unwrap_or_default();
            let number = |n: usize| text(n).parse::<u32>().unwrap_or(0);
            let at = |n: usize| (number(n), number(n + 1), text(n + 2).parse::<i32>().unwrap_or(0));
            match text(0) {
                "role" => {
                    let name = if text(3) == "t" { CURRENT_USER } else { text(2) };
                    raw.roles.insert(number(1), name.to_owned());
                    raw.role_names.insert(text(2).to_owned(), name.to_owned());
                }
                "comment" => {
                    raw.comments.insert(at(1), text(4).to_owned());
                }
                "label" => {
                    raw.labels.entry(at(1)).or_default().insert(text(4).to_owned(), text(5).to_owned());
                }
                "need" => raw.needs.push((at(1), at(4), text(7).chars().next().unwrap_or('n'))),
                index => {
                    let kind = index.parse::<usize>().ok().and_then(|index| kinds.get(index)).map(|(kind, _)| *kind);
                    let Some(kind) = kind else { continue };
                    let bad =
                        |error: &serde_json::Error| ReadError::Row(kind.label(), format!("{error} in `{}`", text(1)));
                    let row: Row = serde_json::from_str(text(1)).map_err(|error| bad(&error))?;
                    raw.objects.push((kind, row));
                }
            }
        }
        raw.into_catalog(server, without)
    }
}

fn reason(failed: &Failed) -> String {
    failed.reason()
}

/// What the server gave, by address.
#[derive(Default)]
struct Raw {
    objects: Vec<(Kind, Row)>,
    roles: HashMap<u32, String>,
    role_names: HashMap<String, String>,
    comments: HashMap<Address, String>,
    labels: HashMap<Address, BTreeMap<String, String>>,
    needs: Vec<(Address, Address, char)>,
}

impl Raw {
    fn into_catalog(mut self, server: u32, without: &Without) -> Result<Catalog, ReadError> {
        let mut catalog = Catalog { server, ..Catalog::default() };
        let mut ids: HashMap<Address, Id> = HashMap::new();
        let mut ties: Vec<(Id, Address, Tie)> = Vec::new();
        for (kind, row) in std::mem::take(&mut self.objects) {
            let id = Id::new(kind, row.path);
            if without.holds(&id) {
                continue;
            }
            let definition = Definition::from_json(kind, row.definition)
                .map_err(|error| ReadError::Row(kind.label(), format!("{error} in {id}")))?;
            let owner =
                row.owner.and_then(|oid| self.roles.get(&oid)).cloned().unwrap_or_else(|| CURRENT_USER.to_owned());
            let grants = row.grants.map(|items| {
                let role = |name: &str| self.role_names.get(name).cloned().unwrap_or_else(|| name.to_owned());
                items
                    .iter()
                    .enumerate()
                    .flat_map(|(place, item)| acl::parse(place, item, &owner, role))
                    .collect::<BTreeSet<_>>()
            });
            let object = Object {
                definition,
                owner: (owner != CURRENT_USER).then_some(owner),
                grants,
                comment: self.comments.remove(&row.address),
                labels: self.labels.remove(&row.address).unwrap_or_default(),
            };
            let parent = row.parent.map(|parent| vec![parent]);
            for (needed, tie) in [(row.after, Tie::After), (row.needs, Tie::Normal), (parent, Tie::Part)] {
                ties.extend(needed.into_iter().flatten().map(|address| (id.clone(), address, tie)));
            }
            if let Some(position) = row.position {
                catalog.positions.insert(id.clone(), position);
            }
            ids.insert(row.address, id.clone());
            catalog.objects.insert(id, object);
        }
        let resolver = Resolver::new(&ids, &self.needs);
        for (id, address, tie) in ties {
            if let Some(needed) = resolver.find(address).filter(|needed| **needed != id) {
                let known = catalog.needs.entry(id).or_default().entry(needed.clone()).or_insert(tie);
                *known = (*known).max(tie);
            }
        }
        for (from, to, kind) in &self.needs {
            if matches!(kind, 'e' | 'x') {
                continue;
            }
            let (Some(id), Some(needed)) = (resolver.find(*from), resolver.find(*to)) else { continue };
            // That a table is another's child is an object of its own, and can end without the end of either.
            if id == needed || (id.kind == Kind::Table && needed.kind == Kind::Table) {
                continue;
            }
            let tie = match kind {
                'n' => Tie::Normal,
                // A partition's part of an index or a constraint outlives that where the partition is detached.
                _ if id.kind == needed.kind && matches!(id.kind, Kind::Index | Kind::Constraint) => Tie::After,
                _ if id.kind == Kind::Sequence && needed.kind == Kind::Column => Tie::Follower,
                _ => Tie::Part,
            };
            let known = catalog.needs.entry(id.clone()).or_default().entry(needed.clone()).or_insert(tie);
            *known = (*known).max(tie);
        }
        cut_cycles(&mut catalog);
        Ok(catalog)
    }
}

impl Without {
    fn holds(&self, id: &Id) -> bool {
        let Some((schema, table)) = &self.ledger else { return false };
        let in_schema = id.path.first() == Some(schema);
        match id.kind {
            Kind::Extension
            | Kind::Language
            | Kind::Cast
            | Kind::Server
            | Kind::UserMapping
            | Kind::DefaultPrivileges => false,
            _ if schema != "public" => in_schema,
            Kind::Function => in_schema && id.path.get(1).is_some_and(|name| Ledger::has_function(table, name)),
            _ => in_schema && id.path.get(1) == Some(table),
        }
    }
}

/// Finds the object that an address stands for. Much of what `pg_depend` names is a part of something: a table's row type, an array
/// type, the rule behind a view, the index behind a constraint. Such a part has an internal dependency on what it is a part of.
struct Resolver<'a> {
    ids: &'a HashMap<Address, Id>,
    wholes: HashMap<Address, Address>,
}

impl<'a> Resolver<'a> {
    fn new(ids: &'a HashMap<Address, Id>, needs: &[(Address, Address, char)]) -> Self {
        let mut wholes = HashMap::new();
        for (from, to, kind) in needs {
            // A view's default is a part of the view.
            let of_view = from.0 == PG_ATTRDEF && *kind == 'a';
            // A partition's copy of a trigger is no part of it: the parent's would need all partitions.
            let copy = from.0 == PG_TRIGGER && *kind == 'P';
            if (of_view || matches!(kind, 'i' | 'P' | 'e')) && !copy && !ids.contains_key(from) {
                wholes.entry(*from).or_insert(*to);
            }
        }
        Self { ids, wholes }
    }

    fn find(&self, address: Address) -> Option<&'a Id> {
        let mut seen = HashSet::new();
        let mut address = address;
        while seen.insert(address) {
            if let Some(id) = self.ids.get(&address) {
                return Some(id);
            }
            let (class, object, part) = address;
            if let Some(whole) = self.wholes.get(&address) {
                address = *whole;
            } else if part != 0 {
                // A column that is no object of its own: a view's.
                address = (class, object, 0);
            } else {
                return None;
            }
        }
        None
    }
}

/// Who a grantee is, as SQL writes it; `owner` is the object's.
pub(super) fn grantee(grantee: &Grantee, owner: Option<&str>) -> String {
    match grantee {
        Grantee::Owner => super::quote::role(owner.unwrap_or(CURRENT_USER)),
        Grantee::Public => super::quote::PUBLIC.to_owned(),
        Grantee::Role(name) => super::quote::role(name),
    }
}
