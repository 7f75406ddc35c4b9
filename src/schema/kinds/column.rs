//! Columns of tables. Path: schema, table, name.

mod cast;
mod change;
mod not_null;
mod numbers;
mod serial;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sequence::Options;
use super::{Change, Definition, Entity, Inline, Sides, foreign_options, inheritance, lineage, names, parameters};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::qualified;
use crate::schema::read::{address, grants, owned_by_extension, part, user_schema};
use crate::schema::statement::{Pass, Statement};

use not_null::NotNull;

pub(super) use cast::base;
pub(super) use change::new_type_loses;
pub(super) use not_null::follows as not_null_follows;
pub(super) use numbers::{instead_of_drop, take_from_identity};
pub(super) use serial::is_serial;

/// A column; its default is an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As `format_type` prints it.
    #[serde(rename = "type")]
    data_type: String,
    /// Unless it is the type's.
    collation: Option<String>,
    not_null: Option<NotNull>,
    identity: Option<Identity>,
    generated: Option<Generated>,
    storage: Storage,
    /// What the type has by itself.
    type_storage: Storage,
    compression: Option<String>,
    statistics: Option<i32>,
    /// `n_distinct=5`, …
    options: Vec<String>,
    fdw_options: BTreeMap<String, String>,
    /// Whether it was declared here, and not only in a parent.
    local: bool,
    /// Whether a parent has it.
    inherited: bool,
}

/// Numbers from a sequence that is the column's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    always: bool,
    /// Schema and name.
    sequence: Vec<String>,
    #[serde(rename = "type")]
    data_type: String,
    options: Options,
}

/// A column that is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generated {
    expression: String,
    stored: bool,
}

/// Where a value is that is too long for its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Storage {
    #[serde(rename = "p")]
    Plain,
    #[serde(rename = "e")]
    External,
    #[serde(rename = "m")]
    Main,
    #[serde(rename = "x")]
    Extended,
}

impl Storage {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::Main => "MAIN",
            Self::Extended => "EXTENDED",
        }
    }
}

/// The column of this id.
fn column<'a>(catalog: &'a Catalog, id: &Id) -> Option<&'a Column> {
    match catalog.definition(id) {
        Some(Definition::Column(column)) => Some(column),
        _ => None,
    }
}

impl Column {
    /// Its type, as `format_type` has it.
    pub(super) fn data_type(&self) -> &str {
        &self.data_type
    }

    /// Whether a parent that stays the parent brings it, changes it and takes it away.
    pub(super) fn follows_parent(&self, id: &Id, sides: Sides<'_>) -> bool {
        self.is_mirror() && stays_under_parent(id, sides)
    }

    /// Whether all that it is comes from a parent.
    pub(super) fn is_mirror(&self) -> bool {
        self.inherited && !self.local
    }

    pub(super) fn is_not_null(&self) -> bool {
        self.not_null.is_some()
    }

    /// Whether it is computed.
    pub(super) fn is_generated(&self) -> bool {
        self.generated.is_some()
    }

    /// Whether it is made just as the parent's is where a partition is made of the parent.
    pub(super) fn is_as_in_parent(&self, parent: &Self) -> bool {
        let main = |it: &Self| {
            (it.data_type.clone(), it.collation.clone(), it.generated.clone(), it.compression.clone())
        };
        // An identity is the partitioned table's alone.
        main(self) == main(parent) && not_null::is_as_in_parent(self, parent) && self.identity.is_none()
    }

    /// An `ALTER TABLE` of this column's table. What children have is left alone where that is possible at all.
    fn alter(id: &Id, sides: Sides<'_>, pass: Pass, clause: impl AsRef<str>) -> Statement {
        let only = if has_children(sides, id) { "ONLY " } else { "" };
        let clause = format!("ALTER COLUMN {} {}", id.ident(), clause.as_ref());
        Statement::alter_table(format!("{only}{}", id.relation()), id, pass, clause)
    }

    /// The same for what parents pass on to children.
    fn alter_all(id: &Id, pass: Pass, clause: impl AsRef<str>) -> Statement {
        let clause = format!("ALTER COLUMN {} {}", id.ident(), clause.as_ref());
        Statement::alter_table(id.relation(), id, pass, clause)
    }

    /// Whether a row that is there already would need a value for it, and nothing gives one.
    fn wants_a_value(&self, id: &Id, sides: Sides<'_>) -> bool {
        let default = Id::new(Kind::Default, id.path.clone());
        self.not_null.as_ref().is_some_and(|it| it.valid)
            && self.identity.is_none()
            && self.generated.is_none()
            && sides.new.get(&default).is_none()
    }

    /// What the statement that makes the column does not say.
    pub(super) fn extras(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let parent = self.host_parent(id, sides);
        let mut statements = Vec::new();
        let storage = parent.map_or(self.type_storage, |parent| parent.storage);
        if self.storage != storage {
            statements.push(Self::alter(id, sides, Pass::Misc, format!("SET STORAGE {}", self.storage.word())));
        }
        if let Some(parent) = parent {
            if let Some(not_null) = self.not_null.as_ref().filter(|it| it.valid && parent.not_null.is_none()) {
                statements.push(not_null.add(id));
            }
            if self.compression != parent.compression {
                statements.push(Self::alter(id, sides, Pass::Misc, self.set_compression()));
            }
        }
        if let Some(not_null) = self.not_null.as_ref().filter(|it| !it.valid && !self.follows_parent(id, sides)) {
            statements.push(not_null.add(id));
        }
        statements.extend(self.not_null.as_ref().and_then(|it| it.say_comment(None, id)));
        if let Some(statistics) = self.statistics {
            statements.push(Self::alter(id, sides, Pass::Misc, format!("SET STATISTICS {statistics}")));
        }
        if !self.options.is_empty() {
            let options = parameters::list(&self.options);
            statements.push(Self::alter(id, sides, Pass::Misc, format!("SET ({options})")));
        }
        statements
    }

    fn set_compression(&self) -> String {
        format!("SET COMPRESSION {}", self.compression.as_deref().unwrap_or("default"))
    }

    /// The parent's column that this one comes with, where it is no column of its own.
    fn host_parent<'a>(&self, id: &Id, sides: Sides<'a>) -> Option<&'a Self> {
        let made_with_table = matches!(self.inline(id, sides), Some(Inline::Implied { .. }));
        if !self.is_mirror() || !(made_with_table || stays_under_parent(id, sides)) {
            return None;
        }
        let table = lineage::table_of(id).path;
        let parents = lineage::parents(sides.new, &table).map(|(it, _)| lineage::parent_of(it).to_vec());
        parents.into_iter().find_map(|parent| column(sides.new, &lineage::same_in(id, &parent)))
    }
}

/// Whether tables inherit from this one's, before and after.
fn has_children(sides: Sides<'_>, id: &Id) -> bool {
    let table = lineage::table_of(id).path;
    lineage::children(sides.new, &table).next().is_some() || lineage::children(sides.old, &table).next().is_some()
}

/// Whether a parent has this column and stays the parent: what is done to its column is done to this one.
fn stays_under_parent(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id).path;
    lineage::parents(sides.new, &table).any(|(it, _)| {
        let of_parent = lineage::same_in(id, lineage::parent_of(it));
        inheritance::persists(it, sides)
            && (sides.new.get(&of_parent).is_some() || sides.old.get(&of_parent).is_some())
    })
}

/// Whether the statement that makes its table says that it inherits from one with this column.
fn comes_with_table(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id);
    let of_parent = |it: &Id| sides.new.get(&lineage::same_in(id, lineage::parent_of(it))).is_some();
    sides.old.get(&table).is_none()
        && lineage::parents(sides.new, &table.path)
            .any(|(it, inheritance)| of_parent(it) && inheritance.inline(it, sides).is_some())
}

/// Whether the columns of its table are those of a composite type.
fn is_typed(id: &Id, catalog: &Catalog) -> bool {
    matches!(catalog.definition(&lineage::table_of(id)), Some(Definition::Table(table)) if table.is_typed())
}

impl Entity for Column {
    fn query(server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', {parent},
                'path', json_build_array(n.nspname, c.relname, a.attname), 'grants', {grants},
                'position', row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) - 1,
                'after', CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN (SELECT json_agg({of_parent})
                    FROM pg_inherits h JOIN pg_attribute b ON b.attrelid = h.inhparent AND b.attname = a.attname
                        AND NOT b.attisdropped WHERE h.inhrelid = c.oid) END,
                'definition', json_build_object('type', format_type(a.atttypid, a.atttypmod),
                'collation', (SELECT CASE WHEN m.nspname <> 'pg_catalog' THEN quote_ident(m.nspname) || '.' ELSE '' END
                    || quote_ident(k.collname) FROM pg_collation k JOIN pg_namespace m ON m.oid = k.collnamespace
                    WHERE k.oid = a.attcollation AND a.attcollation <> t.typcollation),
                'not_null', {not_null},
                'identity', CASE WHEN a.attidentity <> '' THEN (SELECT json_build_object('always', a.attidentity = 'a',
                    'sequence', json_build_array(sn.nspname, sc.relname), 'type', format_type(s.seqtypid, NULL),
                    'options', {options})
                    FROM pg_depend d JOIN pg_class sc ON sc.oid = d.objid AND sc.relkind = 'S'
                    JOIN pg_namespace sn ON sn.oid = sc.relnamespace JOIN pg_sequence s ON s.seqrelid = sc.oid
                    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                        AND d.refobjsubid = a.attnum AND d.deptype = 'i') END,
                'generated', CASE WHEN a.attgenerated <> '' THEN json_build_object('stored', a.attgenerated = 's', 'expression',
                    (SELECT pg_get_expr(x.adbin, x.adrelid) FROM pg_attrdef x WHERE x.adrelid = c.oid AND x.adnum = a.attnum)) END,
                'storage', a.attstorage, 'type_storage', t.typstorage,
                'compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
                'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
                'options', {column_options},
                'fdw_options', {foreign},
                'local', a.attislocal, 'inherited', a.attinhcount > 0))
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_type t ON t.oid = a.atttypid
             WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
                AND {theirs} AND NOT {extension}",
            address = part("pg_class", "c.oid", "a.attnum"),
            parent = address("pg_class", "c.oid"),
            of_parent = part("pg_class", "h.inhparent", "b.attnum"),
            not_null = NotNull::json(server),
            grants = grants('c', "a.attacl", "c.relowner"),
            column_options = parameters::of_attribute("a.attoptions"),
            options = Options::json("s"),
            foreign = foreign_options::json("a.attfdwoptions"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("COLUMN {}", id.qualified())
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        let column = id.ident();
        let each: Vec<String> = privileges.split(", ").map(|privilege| format!("{privilege} ({column})")).collect();
        format!("{} ON TABLE {}", each.join(", "), id.relation())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('c')
    }

    fn slots(&self, _id: &Id) -> Vec<(&'static str, Vec<String>)> {
        self.identity.iter().map(|identity| ("relation", identity.sequence.clone())).collect()
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = Vec::new();
        let comes_by_itself = is_typed(id, sides.old) || (self.is_mirror() && stays_under_parent(id, sides));
        if !comes_by_itself {
            let clause = format!("ADD COLUMN {}", self.text(id, sides));
            let statement = Statement::alter_table(id.relation(), id, Pass::AddColumn, clause);
            statements.push(if sides.old.get(id).is_some() {
                // It was dropped for that.
                statement.noted(format!("{} is made anew: what is in it is computed again for each row.", id.ident()))
            } else if self.wants_a_value(id, sides) {
                statement.noted(format!(
                    "{} has no default, so this fails where the table has rows: give it one, or let it be NULL until they have a value.",
                    id.ident()
                ))
            } else {
                statement
            });
        }
        statements.extend(self.extras(id, sides));
        statements
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        let table = lineage::table_of(id);
        if sides.old.get(&table).is_some() {
            return None;
        }
        let implied = is_typed(id, sides.new) || self.is_mirror() && comes_with_table(id, sides);
        Some(if implied {
            Inline::Implied { host: table }
        } else {
            let text = self.text(id, sides);
            Inline::Element { table, text }
        })
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        if is_typed(id, sides.old) || (self.inherited && stays_under_parent(id, sides)) {
            return Vec::new();
        }
        let drop = |id: &Id, only: &str| {
            let clause = format!("DROP COLUMN {}", id.ident());
            let statement = Statement::alter_table(format!("{only}{}", id.relation()), id, Pass::Drop, clause);
            if self.is_generated() { statement } else { statement.destroys(id, format!("drops the {id} with what is in it")) }
        };
        let table = lineage::table_of(id).path;
        let below: Vec<Id> = lineage::children(sides.new, &table).map(|child| lineage::same_in(id, child)).collect();
        let kept = sides.new.get(id).is_none() && below.iter().any(|below| sides.new.get(below).is_some());
        let mut statements = vec![drop(id, if kept { "ONLY " } else { "" })];
        for below in &below {
            // It was declared in the child, too, and stays until it is dropped there.
            if column(sides.old, below).is_some_and(|column| column.local) && sides.new.get(below).is_none() {
                statements.push(drop(below, ""));
            }
        }
        statements
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        change::change(self, old, id, sides)
    }

    fn retype(&self, id: &Id, sides: Sides<'_>) -> Option<(Option<Statement>, fn(Kind) -> bool)> {
        if self.inherited && stays_under_parent(id, sides) {
            return Some((None, change::stands_in_the_way));
        }
        let text = if self.data_type.ends_with("[]") { "text[]" } else { "text" };
        let clause = format!("TYPE {0} USING {1}::{text}::{0}", self.data_type, id.ident());
        Some((Some(Self::alter_all(id, Pass::Type, clause)), change::stands_in_the_way))
    }

    fn is_derived(&self) -> bool {
        self.is_generated()
    }
}

/// A name with its schema, for `SEQUENCE NAME`; nothing if Postgres would give the sequence this one.
fn sequence_name(identity: &Identity, id: &Id) -> Option<String> {
    let [schema, table, name] = id.path.as_slice() else { return None };
    let usual = [schema.clone(), names::joined(table, name, "seq")];
    (identity.sequence != usual).then(|| qualified(&identity.sequence))
}
