//! User mappings. Path: server, user. The user is a role, `CURRENT_USER` or `PUBLIC`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides, foreign_options};
use crate::schema::aside::Secret;
use crate::schema::id::Id;
use crate::schema::quote::{ident, role};
use crate::schema::read::{address, role_name};
use crate::schema::statement::Statement;

/// How a role is known to a foreign server. Any option may be a password, so none is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserMapping {
    options: BTreeMap<String, Secret>,
}

/// `FOR alice SERVER files`.
fn mapping(id: &Id) -> String {
    format!("USER MAPPING FOR {} SERVER {}", role(id.name()), ident(id.schema()))
}

impl Entity for UserMapping {
    fn query(_server: u32) -> String {
        // The table is for superusers only. The view has no options for those who may not see them.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(m.srvname,
                CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE {name} END), 'definition', json_build_object('options', {options}))
             FROM pg_user_mappings m",
            address = address("pg_user_mapping", "m.umid"),
            name = role_name("m.umuser"),
            options = foreign_options::json("m.umoptions"),
        )
    }

    /// There are no comments on user mappings.
    fn phrase(&self, id: &Id) -> String {
        mapping(id)
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("CREATE {}{}", mapping(id), foreign_options::with(&self.options)))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", mapping(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let options = foreign_options::changes(&old.options, &self.options);
        Change::Alter(options.iter().map(|options| Statement::new(format!("ALTER {} {options}", mapping(id)))).collect())
    }
}
