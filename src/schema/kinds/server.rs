//! Foreign servers. Path: name.

use std::fmt::Write as _;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides, foreign_options};
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::{address, grants, owned_by_extension};
use crate::schema::statement::Statement;

/// A foreign server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    wrapper: String,
    #[serde(rename = "type")]
    variety: Option<String>,
    version: Option<String>,
    options: BTreeMap<String, String>,
}

impl Entity for Server {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(s.srvname), 'owner', s.srvowner::bigint,
                'grants', {grants}, 'definition', json_build_object('wrapper', w.fdwname, 'type', s.srvtype, 'version', s.srvversion,
                'options', {options}))
             FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE NOT {extension}",
            address = address("pg_foreign_server", "s.oid"),
            grants = grants('S', "s.srvacl", "s.srvowner"),
            options = foreign_options::json("s.srvoptions"),
            extension = owned_by_extension("pg_foreign_server", "s.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("SERVER {}", id.ident())
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON FOREIGN SERVER {}", id.ident())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('S')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut sql = format!("CREATE SERVER {}", id.ident());
        if let Some(variety) = &self.variety {
            let _ = write!(sql, " TYPE {}", literal(variety));
        }
        if let Some(version) = &self.version {
            let _ = write!(sql, " VERSION {}", literal(version));
        }
        let _ = write!(sql, " FOREIGN DATA WRAPPER {}{}", ident(&self.wrapper), foreign_options::with(&self.options));
        vec![Statement::new(sql)]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP SERVER {}", id.ident()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        // The type cannot be altered; foreign tables hold no data of their own.
        if self.wrapper != old.wrapper || self.variety != old.variety {
            return Change::Replace;
        }
        let mut sql = format!("ALTER SERVER {}", id.ident());
        if self.version != old.version {
            let _ = write!(sql, " VERSION {}", self.version.as_deref().map_or("NULL".to_owned(), literal));
        }
        if let Some(options) = foreign_options::changes(&old.options, &self.options) {
            sql.push(' ');
            sql.push_str(&options);
        }
        Change::Alter(vec![Statement::new(sql)])
    }
}
