//! Row-level security policies. Path: schema, table, name.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::{bracketed, role};
use crate::schema::read::{address, owned_by_extension, role_name, user_schema};
use crate::schema::statement::Statement;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    command: Command,
    mode: Mode,
    /// Sorted; `PUBLIC` alone for everybody.
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
}

/// What it is for, as `polcmd` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Command {
    #[serde(rename = "*")]
    All,
    #[serde(rename = "r")]
    Select,
    #[serde(rename = "a")]
    Insert,
    #[serde(rename = "w")]
    Update,
    #[serde(rename = "d")]
    Delete,
}

/// Whether one of the policies is enough, or all such have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Permissive,
    Restrictive,
}

impl Policy {
    fn to(&self) -> String {
        self.roles.iter().map(|name| role(name)).collect::<Vec<_>>().join(", ")
    }
}

impl Entity for Policy {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname, p.polname),
                'definition', json_build_object('command', p.polcmd,
                'mode', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
                'roles', (SELECT json_agg(x.name ORDER BY x.name COLLATE \"C\") FROM (SELECT CASE WHEN role = 0 THEN 'PUBLIC'
                    ELSE {name} END AS name FROM unnest(p.polroles) role) x),
                'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)))
             FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE {theirs} AND NOT {extension} AND NOT {relation} AND c.relpersistence <> 't'",
            address = address("pg_policy", "p.oid"),
            name = role_name("role"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_policy", "p.oid"),
            relation = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("POLICY {} ON {}", id.ident(), id.relation())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut sql = format!("CREATE {}", self.phrase(id));
        if self.mode == Mode::Restrictive {
            sql.push_str(" AS RESTRICTIVE");
        }
        sql.push_str(match self.command {
            Command::All => "",
            Command::Select => " FOR SELECT",
            Command::Insert => " FOR INSERT",
            Command::Update => " FOR UPDATE",
            Command::Delete => " FOR DELETE",
        });
        if self.roles != ["PUBLIC"] {
            let _ = write!(sql, " TO {}", self.to());
        }
        if let Some(using) = &self.using {
            let _ = write!(sql, " USING {}", bracketed(using));
        }
        if let Some(check) = &self.check {
            let _ = write!(sql, " WITH CHECK {}", bracketed(check));
        }
        vec![Statement::new(sql)]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        // ALTER POLICY can set an expression, and not take one away.
        let loses = |new: &Option<String>, old: &Option<String>| new.is_none() && old.is_some();
        if (self.command, self.mode) != (old.command, old.mode)
            || loses(&self.using, &old.using)
            || loses(&self.check, &old.check)
        {
            return Change::Replace;
        }
        let mut sql = format!("ALTER {}", self.phrase(id));
        if self.roles != old.roles {
            let _ = write!(sql, " TO {}", self.to());
        }
        if let Some(using) = self.using.as_ref().filter(|_| self.using != old.using) {
            let _ = write!(sql, " USING {}", bracketed(using));
        }
        if let Some(check) = self.check.as_ref().filter(|_| self.check != old.check) {
            let _ = write!(sql, " WITH CHECK {}", bracketed(check));
        }
        Change::Alter(vec![Statement::new(sql)])
    }
}
