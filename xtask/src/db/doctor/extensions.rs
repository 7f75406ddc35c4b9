//! Extensions that pending migrations create: whether the server has them, and this role may.

use super::ask::{Answer, Asker, Path, Row};
use super::finding::{Check, Finding};
use super::needs::Needs;
use super::privileges::MakesSchemas;
use super::session::Session;
use crate::db::recreate::{identifier, literal};

/// What the server says of an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Available {
    pub(super) name: String,
    /// It is in this database.
    pub(super) installed: bool,
    /// Its files are on the server's machine.
    pub(super) on_server: bool,
    /// Who may create in the database may create it.
    pub(super) trusted: bool,
}

/// What is known of the extensions that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) extensions: Vec<Available>,
    /// A role of a hoster's, of which this one is a member: what it may create is the hoster's to say.
    pub(super) hoster: Option<String>,
}

/// What hosters call the role that stands for a superuser with them.
const HOSTERS: &str =
    "'alloydbsuperuser', 'azure_pg_admin', 'cloudsqlsuperuser', 'neon_superuser', 'rds_superuser', 'supabase_admin'";

impl Facts {
    pub(super) fn ask(asker: &mut Asker, needs: &Needs) -> Answer<Self> {
        let values: Vec<String> = needs.extensions.iter().map(|it| format!("({})", literal(&it.name))).collect();
        if values.is_empty() {
            return Ok(Self::default());
        }
        let question = format!(
            "SELECT w.name, e.oid IS NOT NULL, a.name IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions v \
             WHERE v.name = w.name AND v.version = a.default_version AND pg_catalog.to_jsonb(v) ->> 'trusted' = 'true') FROM (VALUES {}) w(name) \
             LEFT JOIN pg_catalog.pg_extension e ON e.extname = w.name LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = w.name",
            values.join(", ")
        );
        let of_row =
            |row: &Row| Available { name: row.text(0), installed: row.is(1), on_server: row.is(2), trusted: row.is(3) };
        let extensions = asker.ask(Path::Catalog, &question)?.iter().map(of_row).collect();
        let hoster = format!(
            "SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname IN ({HOSTERS}) AND pg_catalog.pg_has_role(r.oid, 'MEMBER') LIMIT 1"
        );
        let hoster = asker.ask(Path::Catalog, &hoster)?.first().and_then(|row| row.some(0));
        Ok(Self { extensions, hoster })
    }
}

pub(super) fn extensions(
    facts: &Answer<Facts>,
    database: &Answer<MakesSchemas>,
    session: &Session,
    needs: &Needs,
) -> Finding {
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return Finding::unknown(Check::Extensions, why.as_str()),
    };
    if needs.extensions.is_empty() {
        return Finding::ok(Check::Extensions, "pending migrations create none");
    }
    let file = |name: &str| needs.extensions.iter().find(|it| it.name == name).map_or("", |it| it.file.as_str());
    let missing = |it: &&Available| !it.installed;
    let (there, absent): (Vec<&Available>, Vec<&Available>) =
        facts.extensions.iter().filter(missing).partition(|it| it.on_server);
    let creates = *database == Ok(MakesSchemas::May);
    let refused: Vec<&Available> =
        there.into_iter().filter(|it| !(session.superuser || it.trusted && creates)).collect();
    if absent.is_empty() && refused.is_empty() {
        let names: Vec<_> = needs.extensions.iter().map(|it| it.name.as_str()).collect();
        return Finding::ok(
            Check::Extensions,
            format!("the server has what pending migrations create: {}", names.join(", ")),
        );
    }
    let hosted = facts.hoster.as_ref().filter(|_| absent.is_empty());
    if let Some(hoster) = hosted {
        return Finding::warn(
            Check::Extensions,
            format!("this role is no superuser; as a member of {hoster} it may create what the hoster allows"),
        )
        .of(refused.iter().map(|it| format!("{}, which {} creates", it.name, file(&it.name))))
        .help("look in the hoster's list of extensions, and switch on there what has to be");
    }
    let mut finding =
        Finding::wrong(Check::Extensions, "pending migrations create extensions that cannot be created here");
    finding = finding
        .of(absent
            .iter()
            .map(|it| format!("{}, which {} creates: the server does not have it", it.name, file(&it.name))))
        .of(refused.iter().map(|it| {
            let why = if it.trusted { "this role may not create in the database" } else { "it wants a superuser" };
            format!("{}, which {} creates: {why}", it.name, file(&it.name))
        }));
    if !absent.is_empty() {
        finding = finding.help(
            "install the package that has it on the server's machine (Debian and Ubuntu: `postgresql-contrib`, `postgresql-<version>-<name>`), or \
             use an image or a hoster that has it",
        );
    }
    if refused.iter().any(|it| it.trusted) {
        finding = finding
            .help("as the database's owner, or a superuser:")
            .sql(format!("GRANT CREATE ON DATABASE {} TO {}", session.database, session.role));
    }
    let untrusted: Vec<&&Available> = refused.iter().filter(|it| !it.trusted).collect();
    if !untrusted.is_empty() {
        let strict = |it: &&&Available| needs.extensions.iter().any(|other| other.name == it.name && !other.may_exist);
        if untrusted.iter().any(strict) {
            finding = finding
                .help("have the script say `CREATE EXTENSION IF NOT EXISTS`, so that it takes one that is there");
        }
        finding = finding
            .help("as a superuser, in this database:")
            .sqls(untrusted.iter().map(|it| format!("CREATE EXTENSION IF NOT EXISTS {}", identifier(&it.name))));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use stairwell::migration::{Direction, Script};

    fn of(it: Available, superuser: bool, database: MakesSchemas, hoster: Option<&str>) -> Finding {
        let script = Script::parse("1_a.up.sql".into(), b"create extension postgis;", Direction::Up).0.unwrap();
        let session = Session { role: "ann".into(), database: "shop".into(), superuser, ..Session::default() };
        let facts =
            Facts { extensions: vec![Available { name: "postgis".into(), ..it }], hoster: hoster.map(str::to_owned) };
        extensions(&Ok(facts), &Ok(database), &session, &Needs::of([&script], &["public".into()]))
    }

    #[test]
    fn an_extension_is_wanted_on_the_server_and_then_leave_to_create_it() {
        let (may, may_not) = (MakesSchemas::May, MakesSchemas::MayNot);
        let there = || Available { on_server: true, ..Available::default() };
        assert_eq!(of(Available::default(), true, may, None).state, State::Wrong);
        assert_eq!(of(there(), true, may_not, None).state, State::Ok);
        assert_eq!(of(there(), false, may, None).sql, ["CREATE EXTENSION IF NOT EXISTS \"postgis\";"]);
        assert_eq!(of(there(), false, may, Some("rds_superuser")).state, State::Warn);
        assert_eq!(of(Available { trusted: true, ..there() }, false, may, None).state, State::Ok);
        assert_eq!(
            of(Available { trusted: true, ..there() }, false, may_not, None).sql,
            ["GRANT CREATE ON DATABASE shop TO ann;"]
        );
        assert_eq!(of(Available { installed: true, ..there() }, false, may_not, None).state, State::Ok);
    }
}
