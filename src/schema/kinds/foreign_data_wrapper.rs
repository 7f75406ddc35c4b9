//! Foreign-data wrappers. Path: name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides, foreign_options};
use crate::schema::id::Id;
use crate::schema::read::{FIRST_NORMAL_OID, address, function_name, grants, owned_by_extension};
use crate::schema::statement::Statement;

/// A foreign-data wrapper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignDataWrapper {
    /// The name of the function, as SQL writes it.
    handler: Option<String>,
    validator: Option<String>,
    options: BTreeMap<String, String>,
}

fn clause(word: &str, function: Option<&String>) -> String {
    function.map_or_else(|| format!(" NO {word}"), |function| format!(" {word} {function}"))
}

impl Entity for ForeignDataWrapper {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(w.fdwname), 'owner', w.fdwowner::bigint,
                'grants', {grants}, 'definition', json_build_object('handler', {handler}, 'validator', {validator}, 'options', {options}))
             FROM pg_foreign_data_wrapper w WHERE w.oid >= {FIRST_NORMAL_OID} AND NOT {extension}",
            address = address("pg_foreign_data_wrapper", "w.oid"),
            grants = grants('F', "w.fdwacl", "w.fdwowner"),
            handler = function_name("w.fdwhandler"),
            validator = function_name("w.fdwvalidator"),
            options = foreign_options::json("w.fdwoptions"),
            extension = owned_by_extension("pg_foreign_data_wrapper", "w.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("FOREIGN DATA WRAPPER {}", id.ident())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('F')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let function = |word: &str, function: &Option<String>| {
            function.as_ref().map_or(String::new(), |_| clause(word, function.as_ref()))
        };
        vec![Statement::new(format!(
            "CREATE {}{}{}{}",
            self.phrase(id),
            function("HANDLER", &self.handler),
            function("VALIDATOR", &self.validator),
            foreign_options::with(&self.options)
        ))]
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON FOREIGN DATA WRAPPER {}", id.ident())
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let mut sql = format!("ALTER {}", self.phrase(id));
        if self.handler != old.handler {
            sql.push_str(&clause("HANDLER", self.handler.as_ref()));
        }
        if self.validator != old.validator {
            sql.push_str(&clause("VALIDATOR", self.validator.as_ref()));
        }
        if let Some(options) = foreign_options::changes(&old.options, &self.options) {
            sql.push(' ');
            sql.push_str(&options);
        }
        Change::Alter(vec![Statement::new(sql)])
    }
}
