//! Sequences that are no identity column's own. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Inline, Sides, column, sequence_owner};
use crate::schema::id::Id;
use crate::schema::quote::{literal, qualified};
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A sequence; the value that it is at is data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    #[serde(rename = "type")]
    data_type: String,
    unlogged: bool,
    options: Options,
}

/// The numbers of a sequence, of its own or of an identity column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    start: i64,
    increment: i64,
    minimum: i64,
    maximum: i64,
    cache: i64,
    cycle: bool,
}

impl Options {
    /// The JSON of a row of `pg_sequence`.
    pub(super) fn json(alias: &str) -> String {
        format!(
            "json_build_object('start', {alias}.seqstart, 'increment', {alias}.seqincrement, 'minimum', {alias}.seqmin,
                'maximum', {alias}.seqmax, 'cache', {alias}.seqcache, 'cycle', {alias}.seqcycle)"
        )
    }

    /// The bounds that a sequence of this type has by itself.
    fn bounds(&self, data_type: &str) -> (i64, i64) {
        let most = match data_type {
            "smallint" => i64::from(i16::MAX),
            "integer" => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        if self.increment > 0 { (1, most) } else { (-most - 1, -1) }
    }

    /// What differs from a fresh sequence of this type, as clauses.
    pub(super) fn clauses(&self, data_type: &str) -> Vec<String> {
        let (least, most) = self.bounds(data_type);
        let mut clauses = Vec::new();
        if self.increment != 1 {
            clauses.push(format!("INCREMENT BY {}", self.increment));
        }
        if self.minimum != least {
            clauses.push(format!("MINVALUE {}", self.minimum));
        }
        if self.maximum != most {
            clauses.push(format!("MAXVALUE {}", self.maximum));
        }
        if self.start != if self.increment > 0 { self.minimum } else { self.maximum } {
            clauses.push(format!("START WITH {}", self.start));
        }
        if self.cache != 1 {
            clauses.push(format!("CACHE {}", self.cache));
        }
        if self.cycle {
            clauses.push("CYCLE".to_owned());
        }
        clauses
    }

    /// What keeps the value within bounds that are narrower than before: Postgres refuses them otherwise. The value stays where it can;
    /// the clause is for `ALTER`, where no value is within both.
    pub(super) fn fit(&self, old: &Self, sequence: &[String]) -> (Vec<Statement>, Option<String>) {
        if self.minimum > old.maximum || self.maximum < old.minimum {
            return (Vec::new(), Some(format!("RESTART WITH {}", self.start)));
        }
        let (name, literal) = (qualified(sequence), literal(&qualified(sequence)));
        let move_to = |value: i64, called: bool, when: &str| {
            let sql = format!("SELECT pg_catalog.setval({literal}, {value}, {called}) FROM {name} WHERE last_value {when} {value}");
            Statement::new(sql)
        };
        let mut statements = Vec::new();
        if self.minimum > old.minimum {
            statements.push(move_to(self.minimum, self.increment < 0, "<"));
        }
        if self.maximum < old.maximum {
            statements.push(move_to(self.maximum, self.increment > 0, ">"));
        }
        (statements, None)
    }

    /// What makes these of those, as clauses.
    pub(super) fn changes(&self, old: &Self) -> Vec<String> {
        let mut clauses = Vec::new();
        let mut number = |word: &str, new: i64, old: i64| {
            if new != old {
                clauses.push(format!("{word} {new}"));
            }
        };
        number("INCREMENT BY", self.increment, old.increment);
        number("MINVALUE", self.minimum, old.minimum);
        number("MAXVALUE", self.maximum, old.maximum);
        number("START WITH", self.start, old.start);
        number("CACHE", self.cache, old.cache);
        match (self.cycle, old.cycle) {
            (true, false) => clauses.push("CYCLE".to_owned()),
            (false, true) => clauses.push("NO CYCLE".to_owned()),
            _ => {}
        }
        clauses
    }
}

impl Sequence {
    /// Whether it is just what `serial` makes for a column of this type.
    pub(super) fn is_plain(&self, data_type: &str, unlogged: bool) -> bool {
        self.data_type == data_type && self.unlogged == unlogged && self.options.clauses(data_type).is_empty()
    }
}

impl Entity for Sequence {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname), 'owner', c.relowner::bigint,
                'grants', {grants}, 'definition', json_build_object('type', format_type(s.seqtypid, NULL),
                'unlogged', c.relpersistence = 'u', 'options', {options}))
             FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE {theirs} AND NOT {extension} AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i')",
            address = address("pg_class", "c.oid"),
            grants = grants('s', "c.relacl", "c.relowner"),
            options = Options::json("s"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("SEQUENCE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('s')
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let unlogged = if self.unlogged { "UNLOGGED " } else { "" };
        let mut sql = format!("CREATE {unlogged}SEQUENCE {}", id.qualified());
        if self.data_type != "bigint" {
            sql.push_str(" AS ");
            sql.push_str(&self.data_type);
        }
        for clause in self.options.clauses(&self.data_type) {
            sql.push(' ');
            sql.push_str(&clause);
        }
        match column::take_from_identity(id, sides) {
            Some((before, after)) => before.into_iter().chain([Statement::new(sql), after]).collect(),
            None => vec![Statement::new(sql)],
        }
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        sequence_owner::implied_by(id, sides)
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        if let Some(statements) = column::instead_of_drop(id, sides) {
            return statements;
        }
        vec![Statement::new(format!("DROP SEQUENCE {}", id.qualified())).destroys(id, format!("drops the {id} with its value"))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let mut clauses = Vec::new();
        if self.data_type != old.data_type {
            clauses.push(format!("AS {}", self.data_type));
        }
        clauses.extend(self.options.changes(&old.options));
        if self.data_type != old.data_type {
            // Postgres moves bounds that are the old type's to the new type's by itself, unless it is told.
            for (word, bound) in [("MINVALUE", self.options.minimum), ("MAXVALUE", self.options.maximum)] {
                if !clauses.iter().any(|clause| clause.starts_with(word)) {
                    clauses.push(format!("{word} {bound}"));
                }
            }
        }
        let name = id.qualified();
        let (mut statements, restart) = self.options.fit(&old.options, &id.path);
        clauses.extend(restart);
        if !clauses.is_empty() {
            statements.push(Statement::new(format!("ALTER SEQUENCE {name} {}", clauses.join(" "))));
        }
        if self.unlogged != old.unlogged {
            let kind = if self.unlogged { "UNLOGGED" } else { "LOGGED" };
            statements.push(Statement::new(format!("ALTER SEQUENCE {name} SET {kind}")));
        }
        Change::Alter(statements)
    }
}
