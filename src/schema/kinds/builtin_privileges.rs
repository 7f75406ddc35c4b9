//! Privileges on what is Postgres' own or an extension's, where they are not those that it came with (`pg_init_privs`).
//! Path: schema, the object as `GRANT` has it, and a column, if it is on that alone.
//!
//! The object itself is no part of a database's schema, so this is there only where somebody granted or revoked something.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::acl;
use crate::schema::aside::Aside;
use crate::schema::catalog::Grant;
use crate::schema::id::Id;
use crate::schema::privileges;
use crate::schema::quote::ident;
use crate::schema::read::{address, column_grants, grantee, owned_by_extension, part};
use crate::schema::statement::Statement;

/// Its owner is no part of a schema, so each grantee goes by the name.
const NOBODY: &str = "NULL::oid";

/// What is granted on such an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltinPrivileges {
    /// The letter of `acldefault`.
    kind: char,
    /// Of a relation, if it is only on this one; it stands in the path, too.
    column: Option<String>,
    /// What it came with, for the owner of the time.
    initial: Aside<BTreeSet<Grant>>,
    grants: BTreeSet<Grant>,
}

impl BuiltinPrivileges {
    fn steps(&self, old: &BTreeSet<Grant>, new: &BTreeSet<Grant>, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let object = id.path.get(1).map_or("", String::as_str);
        let of = self.column.as_ref().map_or(String::new(), |column| format!(" ({})", ident(column)));
        let list = |privileges: &[&str]| privileges.iter().map(|it| format!("{it}{of}")).collect::<Vec<_>>().join(", ");
        let steps = privileges::steps(old, new, acl::all(self.kind, sides.new.server));
        let sql = steps.iter().map(|step| {
            let to = grantee(step.grantee, None);
            step.sql(|privileges| format!("{} ON {object}", list(privileges)), &to)
        });
        sql.map(Statement::new).collect()
    }
}

impl Entity for BuiltinPrivileges {
    fn query(_server: u32) -> String {
        // Class, the schema, the columns of owner and privileges, the letter, and how `GRANT` calls it. A language is in no schema.
        let classes = [
            (
                "pg_proc",
                "o.pronamespace",
                "proowner",
                "proacl",
                "'f'",
                "format('%s %I.%I(%s)', CASE o.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, n.nspname, o.proname,
                    pg_get_function_identity_arguments(o.oid))",
            ),
            (
                "pg_class",
                "o.relnamespace",
                "relowner",
                "relacl",
                "CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END",
                "format('%s %I.%I', CASE o.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, o.relname)",
            ),
            ("pg_type", "o.typnamespace", "typowner", "typacl", "'T'", "format('TYPE %I.%I', n.nspname, o.typname)"),
            ("pg_language", "'pg_catalog'::regnamespace", "lanowner", "lanacl", "'l'", "format('LANGUAGE %I', o.lanname)"),
        ];
        let queries = classes.map(|(class, schema, owner, acl, kind, object)| {
            let initial = format!("coalesce(i.initprivs, acldefault(({kind})::\"char\", o.{owner}))");
            let now = format!("coalesce(o.{acl}, acldefault(({kind})::\"char\", o.{owner}))");
            format!(
                "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, {object}),
                    'parent', (SELECT {extension} FROM pg_depend d WHERE d.classid = 'pg_catalog.{class}'::regclass AND d.objid = o.oid
                        AND d.deptype = 'e'),
                    'definition', json_build_object('kind', {kind}, 'initial', {from}, 'grants', {to}))
                 FROM {class} o JOIN pg_namespace n ON n.oid = {schema}
                 LEFT JOIN pg_init_privs i ON i.classoid = 'pg_catalog.{class}'::regclass AND i.objoid = o.oid AND i.objsubid = 0
                 WHERE (o.{acl} IS NOT NULL OR i.initprivs IS NOT NULL) AND NOT ({now} @> {initial} AND {now} <@ {initial})
                    AND (o.oid < 16384 OR {member})",
                // What needs the object itself does not need its privileges.
                address = part(class, "o.oid", "-2"),
                extension = address("pg_extension", "d.refobjid"),
                from = column_grants(&initial, NOBODY),
                to = column_grants(&now, NOBODY),
                member = owned_by_extension(class, "o.oid"),
            )
        });
        let relation = "format('TABLE %I.%I', n.nspname, o.relname)";
        let columns = format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, {relation}, a.attname),
                'definition', json_build_object('kind', 'c', 'column', a.attname, 'initial', {from}, 'grants', {to}))
             FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid JOIN pg_namespace n ON n.oid = o.relnamespace
             LEFT JOIN pg_init_privs i ON i.classoid = 'pg_catalog.pg_class'::regclass AND i.objoid = o.oid AND i.objsubid = a.attnum
             WHERE (a.attacl IS NOT NULL OR i.initprivs IS NOT NULL) AND a.attacl IS DISTINCT FROM i.initprivs
                AND (o.oid < 16384 OR {member})",
            // Far from the columns' own addresses.
            address = part("pg_class", "o.oid", "-3 - a.attnum"),
            from = column_grants("i.initprivs", NOBODY),
            to = column_grants("a.attacl", NOBODY),
            member = owned_by_extension("pg_class", "o.oid"),
        );
        format!("{} UNION ALL {columns}", queries.join(" UNION ALL "))
    }

    fn phrase(&self, id: &Id) -> String {
        id.path.get(1).cloned().unwrap_or_default()
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        self.steps(&self.initial.0, &self.grants, id, sides)
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        self.steps(&self.grants, &self.initial.0, id, sides)
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        Change::Alter(self.steps(&old.grants, &self.grants, id, sides))
    }
}
