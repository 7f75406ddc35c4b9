//! Who asks, and whom: what all other checks of the server build on.

use super::ask::{Answer, Asker, Path, Row};

/// What the session says of itself. Names are quoted as SQL wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// As `server_version_num`: 150018 is 15.18.
    pub(super) version: u32,
    /// The same in words.
    pub(super) words: String,
    pub(super) standby: bool,
    /// Where `default_transaction_read_only` is switched on, as `pg_settings` names it; `None` where it is off.
    pub(super) read_only: Option<String>,
    pub(super) role: String,
    pub(super) superuser: bool,
    pub(super) database: String,
    /// Where unqualified names are looked for, in order, unquoted.
    pub(super) path: Vec<String>,
}

const QUESTION: &str = "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'), \
     pg_catalog.pg_is_in_recovery(), (SELECT s.source FROM pg_catalog.pg_settings s \
     WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_read_only' AND s.setting OPERATOR(pg_catalog.=) 'on'), \
     pg_catalog.quote_ident(current_user), \
     (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user), \
     pg_catalog.quote_ident(pg_catalog.current_database()), pg_catalog.array_to_json(pg_catalog.current_schemas(true))";

impl Session {
    pub(super) fn ask(asker: &mut Asker) -> Answer<Self> {
        asker.ask_one(Path::Own, QUESTION).map(|row| Self::of_row(&row))
    }

    fn of_row(row: &Row) -> Self {
        Self {
            version: row.text(0).parse().unwrap_or_default(),
            words: row.text(1),
            standby: row.is(2),
            read_only: row.some(3),
            role: row.text(4),
            superuser: row.is(5),
            database: row.text(6),
            path: row.list(7),
        }
    }

    /// Where something is created whose name has no schema.
    pub(super) fn first_of_path(&self) -> Option<&str> {
        self.path.iter().find(|schema| !schema.starts_with("pg_")).map(String::as_str)
    }
}
