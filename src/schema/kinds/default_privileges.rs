//! Default privileges. Path: the role that makes the objects, the schema (empty: all), and the letter of the kind of objects, as
//! `pg_default_acl` has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::acl;
use crate::schema::catalog::{Catalog, Grant, Grantee};
use crate::schema::id::{Id, Kind};
use crate::schema::privileges;
use crate::schema::quote::{CURRENT_USER, ident, role};
use crate::schema::read::{self, address, grant};
use crate::schema::statement::Statement;

/// The privileges that objects have when a role makes them. For all schemas it is all of them, for one schema what is added there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultPrivileges {
    /// The owner is the role that makes the object.
    grants: BTreeSet<Grant>,
}

/// The parts of a path.
fn parts(id: &Id) -> (&str, &str, char) {
    let part = |n: usize| id.path.get(n).map_or("", String::as_str);
    (part(0), part(1), part(2).chars().next().unwrap_or_default())
}

/// The letter that `acldefault` has for what is `letter` to `pg_default_acl`.
fn acl_kind(letter: char) -> char {
    if letter == 'S' { 's' } else { letter }
}

/// What there is where nothing is stored.
fn built_in(id: &Id, server: u32) -> BTreeSet<Grant> {
    match parts(id) {
        (_, "", letter) => acl::initial(acl_kind(letter), server),
        _ => BTreeSet::new(),
    }
}

fn statements(old: &BTreeSet<Grant>, new: &BTreeSet<Grant>, id: &Id, server: u32) -> Vec<Statement> {
    let (name, schema, letter) = parts(id);
    let objects = match letter {
        'r' => "TABLES",
        'S' => "SEQUENCES",
        'f' => "FUNCTIONS",
        'T' => "TYPES",
        'n' => "SCHEMAS",
        _ => "LARGE OBJECTS",
    };
    let mut head = String::from("ALTER DEFAULT PRIVILEGES");
    if name != CURRENT_USER {
        head.push_str(&format!(" FOR ROLE {}", role(name)));
    }
    if !schema.is_empty() {
        head.push_str(&format!(" IN SCHEMA {}", ident(schema)));
    }
    let steps = privileges::steps(old, new, acl::all(acl_kind(letter), server));
    steps
        .iter()
        .map(|step| {
            let grantee = read::grantee(step.grantee, Some(name));
            let sql = step.sql(|privileges| format!("{} ON {objects}", privileges.join(", ")), &grantee);
            Statement::new(format!("{head} {sql}"))
        })
        .collect()
}

impl Entity for DefaultPrivileges {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array({role}, coalesce(n.nspname, ''), d.defaclobjtype),
                'definition', json_build_object('grants',
                    coalesce((SELECT json_agg({grant}) FROM aclexplode(d.defaclacl) WITH ORDINALITY x), '[]'::json)))
             FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace",
            address = address("pg_default_acl", "d.oid"),
            role = read::role_name("d.defaclrole"),
            grant = grant("x", "d.defaclrole"),
        )
    }

    /// There are no comments on them.
    fn phrase(&self, _id: &Id) -> String {
        "DEFAULT PRIVILEGES".to_owned()
    }

    fn default_privileges(&self) -> Option<&BTreeSet<Grant>> {
        Some(&self.grants)
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        statements(&built_in(id, sides.new.server), &self.grants, id, sides.new.server)
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        statements(&self.grants, &built_in(id, sides.new.server), id, sides.new.server)
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        Change::Alter(statements(&old.grants, &self.grants, id, sides.new.server))
    }
}

/// The privileges that an object of this `acldefault` letter has when the one who runs the script makes it.
///
/// Default privileges are dropped before anything is made, and made and altered last: so those of the old side are in force that are not
/// dropped.
pub(in crate::schema) fn of_new(id: &Id, letter: char, sides: Sides<'_>) -> BTreeSet<Grant> {
    let stored = match letter {
        's' => "S",
        'r' => "r",
        'f' => "f",
        'T' => "T",
        'n' => "n",
        _ => return acl::initial(letter, sides.new.server),
    };
    let in_force = |schema: &str| {
        let id = Id::new(Kind::DefaultPrivileges, vec![CURRENT_USER.to_owned(), schema.to_owned(), stored.to_owned()]);
        let still: Option<&Catalog> = sides.new.get(&id).map(|_| sides.old);
        still.and_then(|old| old.definition(&id)).and_then(|definition| definition.default_privileges()).cloned()
    };
    let mut grants = in_force("").unwrap_or_else(|| acl::initial(letter, sides.new.server));
    if letter != 'n' {
        grants.extend(in_force(id.schema()).unwrap_or_default());
    }
    grants
}

/// The same privileges when `owner` has become the owner: one to whom something was granted may be it.
pub(in crate::schema) fn owned(grants: BTreeSet<Grant>, owner: Option<&str>) -> BTreeSet<Grant> {
    let owner = owner.unwrap_or(CURRENT_USER);
    let grantee = |grantee| match grantee {
        Grantee::Role(name) if name == owner => Grantee::Owner,
        other => other,
    };
    grants.into_iter().map(|grant| Grant { grantee: grantee(grant.grantee), ..grant }).collect()
}
