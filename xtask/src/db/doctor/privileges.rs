//! What pending migrations want to do, and whether this role may: create in schemas, alter what others own. And who may create in `public`.

use std::collections::BTreeSet;

use super::ask::{Answer, Asker, Path, Row};
use super::finding::{Check, Finding};
use super::needs::{Kind, Name, Needs};
use super::session::Session;
use crate::db::recreate::literal;

/// A schema in which something may be created. Its name is there as it is, and as SQL wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) quoted: String,
    pub(super) usage: bool,
    pub(super) create: bool,
}

/// In which schemas this role has to be able to do what. Names are as they are, without quotes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    create: BTreeSet<String>,
    usage: BTreeSet<String>,
    /// Something is created without a schema, and there is none to create it in.
    nowhere: bool,
}

impl Wants {
    pub(super) fn of(session: &Session, needs: &Needs, owned: &[Owned]) -> Self {
        let mut wants = Self::default();
        for schema in &needs.creates_in {
            match schema.as_deref().or(session.first_of_path()) {
                Some(schema) => wants.create.extend([schema.to_owned()]),
                None => wants.nowhere = true,
            }
        }
        for altered in needs.alters.iter().filter(|(kind, _)| *kind != Kind::Schema) {
            let (_, name) = altered;
            let Some(schema) = find(altered, session, owned).map(|owned| &owned.schema).or(name.schema.as_ref()) else {
                continue;
            };
            // An index is created in the schema of its table, and Postgres asks for the right to.
            let set = if needs.indexed.contains(name) { &mut wants.create } else { &mut wants.usage };
            set.insert(schema.clone());
        }
        wants
    }
}

pub(super) fn ask_schemas(asker: &mut Asker, session: &Session, wants: &Wants) -> Answer<Vec<Schema>> {
    let wanted = wants.create.union(&wants.usage).map(String::as_str);
    let names: Vec<String> = wanted.chain(session.first_of_path()).map(literal).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let question = format!(
        "SELECT n.nspname, pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE'), \
         pg_catalog.has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n WHERE n.nspname IN ({}) ORDER BY 1",
        names.join(", ")
    );
    let rows = asker.ask(Path::Catalog, &question)?;
    let schema = |row: &Row| Schema { name: row.text(0), quoted: row.text(1), usage: row.is(2), create: row.is(3) };
    Ok(rows.iter().map(schema).collect())
}

/// What is asked of the database as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MakesSchemas {
    May,
    MayNot,
}

pub(super) fn ask_database(asker: &mut Asker) -> Answer<MakesSchemas> {
    let question = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";
    let may = asker.ask_one(Path::Catalog, question)?.is(0);
    Ok(if may { MakesSchemas::May } else { MakesSchemas::MayNot })
}

pub(super) fn privileges(
    schemas: &Answer<Vec<Schema>>,
    database: &Answer<MakesSchemas>,
    session: &Session,
    needs: &Needs,
    wants: &Wants,
) -> Finding {
    let (schemas, database) = match (schemas, database) {
        (Ok(schemas), Ok(database)) => (schemas, database),
        (Err(why), _) | (_, Err(why)) => return Finding::unknown(Check::Privileges, why.as_str()),
    };
    let role = &session.role;
    let grant = |schema: &Schema, create: bool| {
        let rights = [("USAGE", !schema.usage), ("CREATE", create && !schema.create)];
        let lacks: Vec<&str> = rights.iter().filter(|(_, lacks)| *lacks).map(|(right, _)| *right).collect();
        (!lacks.is_empty()).then(|| format!("GRANT {} ON SCHEMA {} TO {role}", lacks.join(", "), schema.quoted))
    };
    let lacking = |schema: &Schema| {
        let (creates, uses) = (wants.create.contains(&schema.name), wants.usage.contains(&schema.name));
        let verb = if creates { "create in" } else { "use" };
        let grant = if creates || uses { grant(schema, creates) } else { None };
        Some((format!("to {verb} the schema {}", schema.quoted), grant?))
    };
    let mut lacks: Vec<(String, String)> = schemas.iter().filter_map(lacking).collect();
    if needs.creates_schema && *database == MakesSchemas::MayNot {
        let grant = format!("GRANT CREATE ON DATABASE {} TO {role}", session.database);
        lacks.push(("to make schemas in this database".to_owned(), grant));
    }
    if !lacks.is_empty() {
        let (what, sql): (Vec<_>, Vec<_>) = lacks.into_iter().unzip();
        return Finding::wrong(Check::Privileges, format!("{role} may not do what is pending; it lacks the right"))
            .of(what)
            .help("as the owner of the schema or database, or a superuser:")
            .sqls(sql);
    }
    if wants.nowhere {
        return Finding::wrong(Check::Privileges, "no schema of the role's `search_path` is there to create in")
            .help("name the schema in the scripts, or give the role a path, as itself:")
            .sql(format!("ALTER ROLE {role} SET search_path = public"));
    }
    // Nothing pending wants it, and the next one probably does.
    let first = session.first_of_path();
    let next =
        schemas.iter().filter(|schema| first == Some(schema.name.as_str())).find_map(|schema| grant(schema, true));
    match next {
        Some(grant) => Finding::warn(
            Check::Privileges,
            format!("{role} may not create in the first schema of its search path, which a later migration may want"),
        )
        .help("as the owner of the schema, or a superuser:")
        .sql(grant),
        None => Finding::ok(Check::Privileges, format!("{role} may create what is pending")),
    }
}

/// Something that is there and that pending migrations alter. Names are quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) kind: Kind,
    pub(super) schema: String,
    pub(super) name: String,
    /// As `ALTER … OWNER TO` calls it: `TABLE public.users`.
    pub(super) object: String,
    pub(super) owner: String,
    /// Whether this role is the owner, or a member of it.
    pub(super) is_ours: bool,
}

pub(super) fn ask_owners(asker: &mut Asker, needs: &Needs) -> Answer<Vec<Owned>> {
    let names = |kind: Kind| -> Vec<String> {
        let of_kind = needs.alters.iter().filter(|(of, _)| *of == kind);
        let names: Vec<_> = of_kind.map(|(_, name)| literal(&name.name)).collect();
        if names.is_empty() { vec!["NULL".to_owned()] } else { names }
    };
    if needs.alters.is_empty() {
        return Ok(Vec::new());
    }
    // An index has the owner of its table, which alone can be given to someone else.
    let question = format!(
        "SELECT 'relation', n.nspname, c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' \
         WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END || ' ' \
         || pg_catalog.format('%I.%I', n.nspname, coalesce(t.relname, c.relname)), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), \
         pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I') AND c.relname IN ({}) \
         UNION ALL SELECT 'type', n.nspname, t.typname, CASE t.typtype WHEN 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END \
         || pg_catalog.format('%I.%I', n.nspname, t.typname), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(t.typowner)), \
         pg_catalog.pg_has_role(t.typowner, 'USAGE') FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.typname IN ({}) \
         UNION ALL SELECT 'schema', '', n.nspname, pg_catalog.format('SCHEMA %I', n.nspname), \
         pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(n.nspowner)), pg_catalog.pg_has_role(n.nspowner, 'USAGE') \
         FROM pg_catalog.pg_namespace n WHERE n.nspname IN ({}) ORDER BY 4",
        names(Kind::Relation).join(", "),
        names(Kind::Type).join(", "),
        names(Kind::Schema).join(", ")
    );
    let rows = asker.ask(Path::Catalog, &question)?;
    let owned = |row: &Row| Owned {
        kind: match row.text(0).as_str() {
            "relation" => Kind::Relation,
            "type" => Kind::Type,
            _ => Kind::Schema,
        },
        schema: row.text(1),
        name: row.text(2),
        object: row.text(3),
        owner: row.text(4),
        is_ours: row.is(5),
    };
    Ok(rows.iter().map(owned).collect())
}

/// The one among objects of the same name that a script means.
fn meant<'a>(name: &Name, path: &[String], found: impl Iterator<Item = &'a Owned> + Clone) -> Option<&'a Owned> {
    let in_schema = |schema: &str| found.clone().find(|owned| owned.schema == schema);
    match &name.schema {
        Some(schema) => in_schema(schema),
        None => path.iter().find_map(|schema| in_schema(schema)),
    }
}

/// What is there of this kind and name, as a script means it.
fn find<'a>((kind, name): &(Kind, Name), session: &Session, owned: &'a [Owned]) -> Option<&'a Owned> {
    let mut found = owned.iter().filter(move |owned| owned.kind == *kind && owned.name == name.name);
    if *kind == Kind::Schema { found.next() } else { meant(name, &session.path, found) }
}

pub(super) fn ownership(owned: &Answer<Vec<Owned>>, session: &Session, needs: &Needs) -> Finding {
    let owned = match owned {
        Ok(owned) => owned,
        Err(why) => return Finding::unknown(Check::Ownership, why.as_str()),
    };
    let role = &session.role;
    let mut others: Vec<&Owned> = needs
        .alters
        .iter()
        .filter_map(|altered| find(altered, session, owned))
        .filter(|owned| !owned.is_ours)
        .collect();
    others.sort_by(|a, b| a.object.cmp(&b.object));
    others.dedup_by(|a, b| a.object == b.object);
    if others.is_empty() {
        return Finding::ok(
            Check::Ownership,
            "what pending migrations alter is this role's, or there is nothing of that kind",
        );
    }
    Finding::wrong(Check::Ownership, format!("pending migrations alter what {role} does not own"))
        .of(others.iter().map(|owned| format!("{} is {}'s", owned.object, owned.owner)))
        .help("migrate as the owner, or make this role a member of it (`GRANT <owner> TO <role>`; not where that is a superuser)")
        .help("or give these to this role, as the owner or a superuser:")
        .sqls(others.iter().map(|owned| format!("ALTER {} OWNER TO {role}", owned.object)))
}

/// Who may create in `public`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Public {
    /// Nobody who was not given it, or there is no such schema.
    Closed,
    /// Everybody, and this role also by another way.
    Open,
    /// Everybody, and this role by that alone.
    OpenAndWanted,
}

pub(super) fn ask_public(asker: &mut Asker) -> Answer<Public> {
    let question = "SELECT bool_or(a.grantee = 0), bool_or(CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_has_role(a.grantee, 'USAGE') END) \
         FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a WHERE n.nspname = 'public' AND a.privilege_type = 'CREATE'";
    let row = asker.ask_one(Path::Catalog, question)?;
    Ok(match (row.is(0), row.is(1)) {
        (false, _) => Public::Closed,
        (true, true) => Public::Open,
        (true, false) => Public::OpenAndWanted,
    })
}

pub(super) fn public(public: &Answer<Public>, session: &Session) -> Finding {
    let open = match public {
        Ok(Public::Closed) => {
            return Finding::ok(Check::Public, "only who was given the right may create in the schema public");
        }
        Ok(open) => open,
        Err(why) => return Finding::unknown(Check::Public, why.as_str()),
    };
    let finding = Finding::warn(
        Check::Public,
        "every role may create in the schema public, and so slip its own function into what others run",
    )
    .help("PostgreSQL before 15 begins so, and an upgrade keeps it; once every role that creates there was given the right itself, as the owner of the schema:");
    let finding = match open {
        Public::OpenAndWanted if !session.superuser => {
            finding.sql(format!("GRANT CREATE ON SCHEMA public TO {}", session.role))
        }
        _ => finding,
    };
    finding.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use stairwell::migration::{Direction, Script};

    fn session(path: &[&str]) -> Session {
        Session {
            role: "\"Ann\"".into(),
            database: "shop".into(),
            path: path.iter().map(|schema| (*schema).to_owned()).collect(),
            ..Session::default()
        }
    }

    fn needs(text: &str) -> Needs {
        let script = Script::parse("1_a.up.sql".into(), text.as_bytes(), Direction::Up).0.unwrap();
        Needs::of([&script], &["a".into(), "public".into()])
    }

    fn schema(name: &str, create: bool) -> Schema {
        Schema { name: name.into(), quoted: name.into(), usage: true, create }
    }

    fn look(text: &str, schemas: &[Schema], path: &[&str]) -> Finding {
        let (session, needs) = (session(path), needs(text));
        let wants = Wants::of(&session, &needs, &[]);
        privileges(&Ok(schemas.to_vec()), &Ok(MakesSchemas::MayNot), &session, &needs, &wants)
    }

    #[test]
    fn an_index_is_created_where_its_table_is() {
        let (session, needs) = (session(&["a", "b"]), needs("create index on t (i); alter table c.u add i int;"));
        let table = Owned {
            kind: Kind::Relation,
            schema: "b".into(),
            name: "t".into(),
            object: "TABLE b.t".into(),
            owner: "ann".into(),
            is_ours: true,
        };
        let wants = Wants::of(&session, &needs, &[table]);
        assert_eq!((wants.create, wants.usage), (["b".to_owned()].into(), ["c".to_owned()].into()));
    }

    #[test]
    fn the_right_to_create_is_wanted_where_something_is_created() {
        let of = |text, schemas: &[Schema]| look(text, schemas, &["pg_catalog", "app"]);
        let closed = [schema("app", false), schema("s", true)];
        assert_eq!(of("create table t (i int)", &closed).sql, ["GRANT CREATE ON SCHEMA app TO \"Ann\";"]);
        assert_eq!(of("create table s.t (i int)", &closed).state, State::Warn);
        assert_eq!(of("create table t (i int)", &[schema("app", true)]).state, State::Ok);
        assert_eq!(
            of("create schema x; create table x.t (i int)", &[]).sql,
            ["GRANT CREATE ON DATABASE shop TO \"Ann\";"]
        );
        let nowhere = look("create table t (i int)", &[], &["pg_catalog"]);
        assert_eq!(nowhere.state, State::Wrong);
    }

    #[test]
    fn of_tables_of_one_name_the_search_path_tells_which_is_meant() {
        let table = |schema: &str, is_ours| Owned {
            kind: Kind::Relation,
            schema: schema.into(),
            name: "t".into(),
            object: format!("TABLE {schema}.t"),
            owner: "bob".into(),
            is_ours,
        };
        let found = Ok(vec![table("a", true), table("b", false)]);
        let of = |text, path: &[&str]| ownership(&found, &session(path), &needs(text));
        assert_eq!(of("alter table t add i int", &["a", "b"]).state, State::Ok);
        assert_eq!(of("alter table t add i int", &["b", "a"]).sql, ["ALTER TABLE b.t OWNER TO \"Ann\";"]);
        assert_eq!(of("alter table b.t add i int", &["a"]).details, ["TABLE b.t is bob's"]);
    }

    #[test]
    fn taking_a_right_from_everybody_leaves_this_role_with_it() {
        let sql = |open| public(&Ok(open), &session(&[])).sql;
        assert_eq!(sql(Public::Open), ["REVOKE CREATE ON SCHEMA public FROM PUBLIC;"]);
        assert_eq!(sql(Public::OpenAndWanted)[0], "GRANT CREATE ON SCHEMA public TO \"Ann\";");
        assert!(sql(Public::Closed).is_empty());
    }
}
