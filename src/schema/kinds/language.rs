//! Languages that are not an extension's. Path: name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{FIRST_NORMAL_OID, address, grants, owned_by_extension};
use crate::schema::statement::Statement;

/// A language of functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    trusted: bool,
    handler: String,
    inline: Option<String>,
    validator: Option<String>,
}

impl Language {
    fn write(&self, id: &Id, verb: &str) -> Vec<Statement> {
        let trusted = if self.trusted { "TRUSTED " } else { "" };
        let mut parts = vec![format!("{verb} {trusted}LANGUAGE {} HANDLER {}", id.ident(), self.handler)];
        for (word, function) in [("INLINE", &self.inline), ("VALIDATOR", &self.validator)] {
            parts.extend(function.as_ref().map(|function| format!("{word} {function}")));
        }
        vec![Statement::new(parts.join(" "))]
    }
}

impl Entity for Language {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(l.lanname), 'owner', l.lanowner::bigint,
                'grants', {grants}, 'definition', json_build_object('trusted', l.lanpltrusted,
                'handler', l.lanplcallfoid::regproc::text,
                'inline', CASE WHEN l.laninline <> 0 THEN l.laninline::regproc::text END,
                'validator', CASE WHEN l.lanvalidator <> 0 THEN l.lanvalidator::regproc::text END))
             FROM pg_language l WHERE l.lanispl AND l.oid >= {FIRST_NORMAL_OID} AND NOT {extension}",
            address = address("pg_language", "l.oid"),
            grants = grants('l', "l.lanacl", "l.lanowner"),
            extension = owned_by_extension("pg_language", "l.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("LANGUAGE {}", id.ident())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('l')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        self.write(id, "CREATE")
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP LANGUAGE {}", id.ident()))]
    }

    fn change(&self, _old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(self.write(id, "CREATE OR REPLACE"))
    }
}
