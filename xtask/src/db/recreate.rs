//! Dropping a database and creating it again as it was: owner, encoding, locale, settings and grants.

use postgres::Client;
use stairwell::postgres::Database;

use crate::failure::{Code, Failure};
use crate::terminal::say;

/// What a new database has to take over from the old one.
pub(super) struct Existing {
    owner: String,
    encoding: String,
    /// The clauses of `CREATE DATABASE` about its locale.
    locale: String,
    settings: Vec<Setting>,
    /// `GRANT` and `REVOKE` that make its privileges what they were; empty if they were never touched.
    grants: Vec<String>,
}

/// What `ALTER DATABASE … SET` or `ALTER ROLE … IN DATABASE … SET` left.
struct Setting {
    /// The role, or all.
    role: Option<String>,
    name: String,
    value: String,
}

/// Settings whose value is a list of names that are quoted already; others are one literal (pg_dump's `variable_is_guc_list_quote`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Who may do what: whether the role may create databases, and whether it may act as the old one's owner.
const RIGHTS: &str = "SELECT current_user::text, r.rolsuper OR r.rolcreatedb, r.rolsuper OR coalesce(\
     (SELECT pg_catalog.pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_catalog.pg_database d WHERE d.datname = $1), true) \
     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// The columns of ICU and built-in locales have other names in other versions, so they are read as JSON.
const DATABASE: &str = "SELECT pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text, \
     d.datcollate::text, d.datctype::text, coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c'), \
     coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale', pg_catalog.to_jsonb(d) ->> 'daticulocale') \
     FROM pg_catalog.pg_database d WHERE d.datname = $1";

const SETTINGS: &str = "SELECT CASE s.setrole WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(s.setrole)::text END, setting \
     FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, \
     pg_catalog.unnest(s.setconfig) AS setting WHERE d.datname = $1";

const GRANTS: &str = "SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, \
     a.privilege_type, a.is_grantable \
     FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = $1";

impl Setting {
    /// The statement that sets it again.
    fn statement(&self, database: &str) -> String {
        let whose = match &self.role {
            Some(role) => format!("ROLE {} IN DATABASE {}", identifier(role), identifier(database)),
            None => format!("DATABASE {}", identifier(database)),
        };
        let is_list =
            LISTS.contains(&self.name.to_ascii_lowercase().as_str()) && !self.value.trim_matches('"').is_empty();
        let value = match (is_list, self.value.as_str()) {
            (true, list) => list.to_owned(),
            (false, "\"\"") => literal(""),
            (false, one) => literal(one),
        };
        // A custom setting is two names with a dot between.
        let name: Vec<_> = self.name.split('.').map(identifier).collect();
        format!("ALTER {whose} SET {} TO {value}", name.join("."))
    }
}

impl Existing {
    /// What there is, or `None` if there is no such database. It refuses where the database could not be made again.
    pub(super) fn look(database: &Database) -> Result<Option<Self>, Failure> {
        refuse_servers_own(database)?;
        let mut client = maintenance(database)?;
        check_rights(&mut client, database)?;
        let name = database.name();
        let Some(row) = client.query_opt(DATABASE, &[&name]).map_err(|error| unseen(&error))? else { return Ok(None) };
        let settings = client.query(SETTINGS, &[&name]).map_err(|error| unseen(&error))?;
        let settings = settings.iter().filter_map(|row| {
            let (name, value) = row.get::<_, &str>(1).split_once('=')?;
            Some(Setting { role: row.get(0), name: name.to_owned(), value: value.to_owned() })
        });
        let grants = client.query(GRANTS, &[&name]).map_err(|error| unseen(&error))?;
        let grants: Vec<_> = grants.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        let owner: String = row.get(0);
        Ok(Some(Self {
            grants: grant_statements(name, &owner, &grants),
            owner,
            encoding: row.get(1),
            locale: locale(row.get(2), row.get(3), row.get(4), row.get(5)),
            settings: settings.collect(),
        }))
    }

    /// Its own setting `stairwell.environment`.
    pub(super) fn environment(&self) -> Option<&str> {
        let is_it =
            |setting: &&Setting| setting.role.is_none() && setting.name.eq_ignore_ascii_case("stairwell.environment");
        self.settings.iter().find(is_it).map(|setting| setting.value.as_str())
    }
}

/// Whether a `DROP DATABASE` was interrupted half-way: nobody can connect to it, and it can only be dropped (PostgreSQL 15.4+).
pub(super) fn is_invalid(database: &Database) -> Result<bool, Failure> {
    let question = "SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1 AND datconnlimit OPERATOR(pg_catalog.=) -2";
    let row = maintenance(database)?.query_opt(question, &[&database.name()]).map_err(|error| unseen(&error))?;
    Ok(row.is_some())
}

/// Tools expect these to be there.
pub(super) fn refuse_servers_own(database: &Database) -> Result<(), Failure> {
    if !["postgres", "template0", "template1"].contains(&database.name()) {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "{database} belongs to the server itself and is not dropped\n  = help: give your project a database of its own"
        ),
    ))
}

/// The role must be able to drop the database and to make it again, before anything is dropped.
fn check_rights(client: &mut Client, database: &Database) -> Result<(), Failure> {
    let row = client.query_one(RIGHTS, &[&database.name()]).map_err(|error| unseen(&error))?;
    let (role, may_create, is_owner): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let (name, quoted_role) = (identifier(database.name()), identifier(&role));
    let lacks = match (may_create, is_owner) {
        (true, true) => return Ok(()),
        (false, _) => {
            format!("may not create databases\n  = help: as a superuser: `ALTER ROLE {quoted_role} CREATEDB`")
        }
        (true, false) => format!(
            "does not own it\n  = help: connect as its owner, or as a superuser: `ALTER DATABASE {name} OWNER TO {quoted_role}`"
        ),
    };
    Err(Failure::new(
        Code::Refused,
        format!("{database} cannot be dropped and created again, and nothing was done: the role `{role}` {lacks}"),
    ))
}

/// The clauses for a provider's locale: `c` is libc, `i` ICU, `b` built in (PostgreSQL 17+).
fn locale(collate: &str, ctype: &str, provider: &str, name: Option<&str>) -> String {
    let libc = format!("LC_COLLATE {} LC_CTYPE {}", literal(collate), literal(ctype));
    match (provider, name) {
        ("i", Some(name)) => format!("LOCALE_PROVIDER icu ICU_LOCALE {} {libc}", literal(name)),
        ("b", Some(name)) => format!("LOCALE_PROVIDER builtin BUILTIN_LOCALE {} {libc}", literal(name)),
        _ => libc,
    }
}

/// Takes everything away that a new database gives by default, and grants what was granted.
fn grant_statements(database: &str, owner: &str, grants: &[(Option<String>, String, bool)]) -> Vec<String> {
    if grants.is_empty() {
        return Vec::new();
    }
    let name = identifier(database);
    let revoke =
        ["PUBLIC".to_owned(), identifier(owner)].map(|role| format!("REVOKE ALL ON DATABASE {name} FROM {role}"));
    let grant = grants.iter().map(|(role, privilege, grantable)| {
        let to = role.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {privilege} ON DATABASE {name} TO {to}{option}")
    });
    revoke.into_iter().chain(grant).collect()
}

/// Connects to another database of the server: nobody can drop the one that they are in.
pub(super) fn maintenance(database: &Database) -> Result<Client, Failure> {
    let mut last = None;
    for name in ["postgres", "template1"] {
        match database.with_name(name).connect() {
            Ok(mut client) => {
                // This session's own: no schema but the catalog is asked for a name or an operator.
                client.batch_execute("SET search_path = pg_catalog, pg_temp").map_err(|error| {
                    Failure::new(Code::Failed, format!("looking at the server failed, and nothing was done: {error}"))
                })?;
                return Ok(client);
            }
            // No server at all: said of the database that was asked for.
            Err(error) if error.sqlstate().is_none() => return Err(database.connect().err().unwrap_or(error).into()),
            Err(error) => last = Some(error),
        }
    }
    let none = || Failure::new(Code::NoDatabase, "there is no other database to connect to");
    Err(last.map_or_else(none, Into::into))
}

/// Drops it if it exists, and creates it.
pub(super) fn recreate(database: &Database, existing: Option<&Existing>) -> Result<(), Failure> {
    let mut client = maintenance(database)?;
    let name = identifier(database.name());
    let create = match existing {
        None => format!("CREATE DATABASE {name}"),
        Some(old) => format!(
            "CREATE DATABASE {name} OWNER {} TEMPLATE template0 ENCODING {} {}",
            identifier(&old.owner),
            literal(&old.encoding),
            old.locale
        ),
    };
    if existing.is_some() {
        // FORCE ends the sessions of an app that still runs (PostgreSQL 13+).
        client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).map_err(|error| {
            Failure::new(Code::Failed, format!("dropping {database} failed, and nothing was done: {}", message(&error)))
        })?;
        say(&format!("dropped {database}"));
    }
    client.batch_execute(&create).map_err(|error| {
        // The old one is gone, so what would make the new one has to be said.
        let what = message(&error);
        Failure::new(Code::Failed, format!("creating {database} failed: {what}\n  = help: create it by hand: {create}"))
    })?;
    say(&format!("created {database}"));
    let Some(existing) = existing else { return Ok(()) };
    let settings = existing.settings.iter().map(|setting| setting.statement(database.name()));
    let attempt = |statement: String| {
        let error = client.batch_execute(&statement).err()?;
        Some(format!("{statement};  -- {}", message(&error)))
    };
    let lost: Vec<String> = settings.chain(existing.grants.iter().cloned()).filter_map(attempt).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        format!(
            "{database} was created, and these of its settings and grants could not be; run them as a superuser, then `cargo xtask db up`\n{}",
            lost.join("\n")
        ),
    ))
}

pub(super) fn unseen(error: &postgres::Error) -> Failure {
    Failure::new(Code::Failed, format!("looking at the database failed, and nothing was done: {}", message(error)))
}

pub(super) fn message(error: &postgres::Error) -> String {
    let server = error.as_db_error().map(|e| format!("{} (SQLSTATE {})", e.message(), e.code().code()));
    server.unwrap_or_else(|| error.to_string())
}

pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(role: Option<&str>, name: &str, value: &str) -> Setting {
        Setting { role: role.map(str::to_owned), name: name.into(), value: value.into() }
    }

    #[test]
    fn settings_are_set_again_as_they_were() {
        let table = [
            (setting(None, "work_mem", "64MB"), r#"ALTER DATABASE "shop" SET "work_mem" TO '64MB'"#),
            (
                setting(None, "search_path", r#""$user", app"#),
                r#"ALTER DATABASE "shop" SET "search_path" TO "$user", app"#,
            ),
            (setting(None, "search_path", r#""""#), r#"ALTER DATABASE "shop" SET "search_path" TO ''"#),
            (
                setting(Some(r#"a"b"#), "my.flag", "it's"),
                r#"ALTER ROLE "a""b" IN DATABASE "shop" SET "my"."flag" TO 'it''s'"#,
            ),
        ];
        for (setting, statement) in table {
            assert_eq!(setting.statement("shop"), statement);
        }
    }

    #[test]
    fn privileges_that_nobody_touched_are_left_to_the_server() {
        assert!(grant_statements("shop", "ann", &[]).is_empty());
        assert_eq!(
            grant_statements("shop", "ann", &[(None, "CONNECT".into(), false)]),
            [
                r#"REVOKE ALL ON DATABASE "shop" FROM PUBLIC"#,
                r#"REVOKE ALL ON DATABASE "shop" FROM "ann""#,
                r#"GRANT CONNECT ON DATABASE "shop" TO PUBLIC"#
            ]
        );
    }
}
