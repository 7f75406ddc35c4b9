//! The ledger: whether it is there and this role may use it, where the migrations stand, and who runs some now.

use stairwell::Inspection;
use stairwell::migration::{Mode, Script};
use stairwell::plan::{History, Plan, PlanError, Record, State};
use stairwell::postgres::{Holder, Ledger, Standing, Status};
use stairwell::{OutOfOrder, Target};

use super::ask::{Answer, Asker, Path};
use super::finding::{Check, Finding};
use super::session::Session;
use crate::db::lockfile::count;
use crate::failure::Failure;

/// What there is of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    NoSchema,
    NoTable,
    /// Without the columns or functions that later ones have.
    Old,
    Current,
}

/// What a role may be able to do, beside what a table's own privileges are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    CreateInDatabase,
    UseSchema,
    CreateInSchema,
    /// As the table's owner, or a member of it.
    Own,
}

/// What the catalog says of the ledger, and what this role may do with it. Names are quoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its schema and table.
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) shape: Shape,
    pub(super) may: Vec<Right>,
    /// Of SELECT, INSERT, UPDATE and DELETE those that this role lacks.
    pub(super) lacks: Vec<String>,
    /// Functions of it that this role may not call.
    pub(super) uncallable: Vec<String>,
}

impl Facts {
    pub(super) fn ask(asker: &mut Asker, ledger: &Ledger) -> Answer<Self> {
        let name = ledger.to_string();
        // Its names are plain words by their type, so they need no escapes.
        let (schema, table) = name.split_once('.').unwrap_or(("", &name));
        let question = format!(
            "SELECT n.oid IS NOT NULL, c.oid IS NOT NULL, \
             (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('unfinished', 'remarks')) = 2 \
             AND EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = '{table:.57}_begin'), \
             coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false), coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false), \
             pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
             (SELECT pg_catalog.json_agg(p) FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
             WHERE NOT pg_catalog.has_table_privilege(c.oid, p)), \
             (SELECT pg_catalog.json_agg(pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))) \
             FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = '{table:.57}_begin' \
             AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')), \
             coalesce(pg_catalog.pg_has_role(c.relowner, 'USAGE'), false), pg_catalog.quote_ident('{schema}'), pg_catalog.quote_ident('{table}') \
             FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '{schema}' \
             LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = '{table}'"
        );
        let row = asker.ask_one(Path::Catalog, &question)?;
        let shape = match (row.is(0), row.is(1), row.is(2)) {
            (false, ..) => Shape::NoSchema,
            (_, false, _) => Shape::NoTable,
            (.., false) => Shape::Old,
            _ => Shape::Current,
        };
        let rights = [(3, Right::UseSchema), (4, Right::CreateInSchema), (5, Right::CreateInDatabase), (8, Right::Own)];
        Ok(Self {
            schema: row.text(9),
            table: format!("{}.{}", row.text(9), row.text(10)),
            shape,
            may: rights.into_iter().filter(|(column, _)| row.is(*column)).map(|(_, right)| right).collect(),
            lacks: row.list(6),
            uncallable: row.list(7),
        })
    }

    fn has_table(&self) -> bool {
        matches!(self.shape, Shape::Old | Shape::Current)
    }

    fn may_not(&self, right: Right) -> bool {
        !self.may.contains(&right)
    }
}

/// Whether it is there, and can be read.
pub(super) fn ledger(facts: &Answer<Facts>, history: &Result<History, Failure>) -> Finding {
    let name = |facts: &Facts| facts.table.clone();
    match (facts, history) {
        // Without the right to read it, what is missing is told with the privileges.
        (Ok(facts), Err(_))
            if facts.has_table()
                && (facts.may_not(Right::UseSchema) || facts.lacks.iter().any(|lack| lack == "SELECT")) =>
        {
            Finding::unknown(Check::Ledger, format!("{} is there, and this role may not read it", name(facts)))
        }
        (_, Err(failure)) => Finding::of_failure(Check::Ledger, failure),
        (Ok(facts), Ok(_)) if !facts.has_table() => {
            Finding::ok(Check::Ledger, format!("{} is not there yet; the first `db up` makes it", name(facts)))
        }
        (Ok(facts), Ok(history)) => {
            let rows = format!("{} has {}", name(facts), count(history.rows.len(), "migration"));
            match history.rows.iter().filter_map(|row| row.record.as_ref()).find_map(newer) {
                Some(other) => Finding::warn(
                    Check::Ledger,
                    format!("{rows}, some by stairwell {other}, which is newer than this one ({OWN})"),
                )
                .help("use the newer one here as well: `stairwell` and `stairwell-xtask` in Cargo.toml"),
                None if facts.shape == Shape::Old => Finding::ok(
                    Check::Ledger,
                    format!("{rows}; an earlier stairwell made it, and the next `db up` adds what it lacks"),
                ),
                None => Finding::ok(Check::Ledger, rows),
            }
        }
        (Err(_), Ok(history)) => {
            Finding::ok(Check::Ledger, format!("it has {}", count(history.rows.len(), "migration")))
        }
    }
}

const OWN: &str = env!("CARGO_PKG_VERSION");

/// The version of the stairwell that applied it, if it says so and that is newer than this one.
fn newer(record: &Record) -> Option<String> {
    let (_, version) = record.with.split_once("(stairwell ")?;
    let version = version.strip_suffix(')')?;
    let numbers = |text: &str| text.split(['.', '-']).map_while(|part| part.parse::<u64>().ok()).collect::<Vec<_>>();
    (numbers(version) > numbers(OWN)).then(|| version.to_owned())
}

/// Where the migrations stand, and whether `up` could go on.
pub(super) fn migrations(inspection: &Inspection, history: &Result<History, Failure>) -> Finding {
    let set = inspection.set();
    let Ok(history) = history else {
        return Finding::unknown(
            Check::Migrations,
            "what is applied is not known, because the ledger could not be read",
        );
    };
    let status = Status::of(set, history);
    let summary = format!("{}{}", status.summary(), directives(&pending(inspection, Some(history))));
    match Plan::up(set, history, Target::Head, OutOfOrder::Refuse) {
        Err(PlanError::Conflicts(findings)) => {
            let ahead = status.count(Standing::Missing);
            let finding = Finding::wrong(Check::Migrations, summary)
                .of(findings.0.iter().map(|finding| finding.message.clone()))
                .help("`cargo xtask db status` shows all, and `cargo xtask db up` says for each what to do");
            if ahead > 0 {
                finding.help("what is applied and not here may be of a newer release: `git pull`, or look for the branch that has it")
            } else {
                finding
            }
        }
        Err(other) => Finding::wrong(Check::Migrations, format!("{summary}: {other}")),
        Ok(_) if history.rows.iter().any(|row| row.state != State::Applied) => Finding::warn(
            Check::Migrations,
            summary,
        )
        .help(
            "one that runs outside of a transaction runs now, or was interrupted: `cargo xtask db up` goes on with it",
        ),
        Ok(_) => Finding::ok(Check::Migrations, summary),
    }
}

/// The scripts that the next `up` would run, or would if nothing were in its way.
pub(super) fn pending<'a>(inspection: &'a Inspection, history: Option<&History>) -> Vec<&'a Script> {
    let migrations = inspection.set().migrations();
    let Some(history) = history else { return migrations.iter().map(|migration| &migration.up).collect() };
    let status = Status::of(inspection.set(), history);
    let is_done = |version| {
        status.rows.iter().any(|row| {
            row.version == version
                && matches!(row.standing, Standing::Applied | Standing::CommentEdited | Standing::Edited)
        })
    };
    migrations.iter().filter(|migration| !is_done(migration.version)).map(|migration| &migration.up).collect()
}

/// What is worth knowing before the pending ones are run.
fn directives(pending: &[&Script]) -> String {
    let of = |is: fn(&Script) -> bool| pending.iter().filter(|script| is(script)).count();
    let counts = [
        (of(|script| script.mode() == Mode::Statements), "outside of a transaction"),
        (of(|script| script.directives().irreversible.is_some()), "irreversible"),
        (of(|script| script.directives().destructive.is_some()), "destructive"),
    ];
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { String::new() } else { format!("; of the pending: {}", said.join(", ")) }
}

/// Whether someone runs migrations now.
pub(super) fn runner(holder: &Answer<Option<Holder>>) -> Finding {
    match holder {
        Ok(None) => Finding::ok(Check::Runner, "nobody has the migration lock"),
        Ok(Some(holder)) => Finding::warn(Check::Runner, format!("the migration lock has {holder}"))
            .help("a run is under way, and the next one waits for it; if it hangs, this ends it, and rolls back what it has not committed:")
            .sql(format!("SELECT pg_catalog.pg_terminate_backend({})", holder.pid)),
        Err(why) => Finding::unknown(Check::Runner, why.as_str()),
    }
}

/// Whether this role may do with the ledger what a run does.
pub(super) fn privileges(facts: &Answer<Facts>, session: &Session) -> Finding {
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return Finding::unknown(Check::LedgerPrivileges, why.as_str()),
    };
    let Facts { schema, table, .. } = facts;
    let (role, database) = (&session.role, &session.database);
    let (mut lacks, mut sql) = (Vec::new(), Vec::new());
    let mut lack = |what: String, statement: String| {
        lacks.push(what);
        sql.push(statement);
    };
    if facts.shape == Shape::NoSchema {
        if facts.may_not(Right::CreateInDatabase) {
            let what = format!("to make the schema {schema} in this database");
            lack(what, format!("GRANT CREATE ON DATABASE {database} TO {role}"));
        }
    } else {
        if facts.may_not(Right::UseSchema) {
            lack(format!("to use the schema {schema}"), format!("GRANT USAGE ON SCHEMA {schema} TO {role}"));
        }
        if facts.shape != Shape::Current && facts.may_not(Right::CreateInSchema) {
            lack(format!("to create in the schema {schema}"), format!("GRANT CREATE ON SCHEMA {schema} TO {role}"));
        }
        if facts.shape == Shape::Old && facts.may_not(Right::Own) {
            let what = format!("to alter {table}, which an earlier stairwell made");
            lack(what, format!("ALTER TABLE {table} OWNER TO {role}"));
        }
        if !facts.lacks.is_empty() {
            let list = facts.lacks.join(", ");
            lack(format!("{list} on {table}"), format!("GRANT {list} ON {table} TO {role}"));
        }
        for function in &facts.uncallable {
            lack(format!("to call {function}"), format!("GRANT EXECUTE ON FUNCTION {function} TO {role}"));
        }
    }
    if lacks.is_empty() {
        return Finding::ok(Check::LedgerPrivileges, format!("{role} may do all that a run does with {table}"));
    }
    Finding::wrong(
        Check::LedgerPrivileges,
        format!("{role} may not do with the ledger what a run does; it lacks the right"),
    )
    .of(lacks)
    .help("as the owner of what is named, or a superuser:")
    .sqls(sql)
}

#[cfg(test)]
mod tests {
    use super::super::finding;
    use super::*;
    use crate::failure::Code;
    use stairwell::migration::Direction;

    fn session() -> Session {
        Session { role: "\"Ann\"".into(), database: "shop".into(), ..Session::default() }
    }

    fn facts() -> Facts {
        Facts { schema: "stairwell".into(), table: "stairwell.ledger".into(), ..Facts::default() }
    }

    #[test]
    fn without_a_ledger_only_the_right_to_make_it_is_wanted() {
        let lacking = privileges(&Ok(facts()), &session());
        assert_eq!(lacking.sql, ["GRANT CREATE ON DATABASE shop TO \"Ann\";"]);
        let may = Facts { may: vec![Right::CreateInDatabase], ..facts() };
        assert_eq!(privileges(&Ok(may), &session()).state, finding::State::Ok);
        let in_schema = Facts { shape: Shape::NoTable, may: vec![Right::UseSchema], ..facts() };
        assert_eq!(privileges(&Ok(in_schema), &session()).sql, ["GRANT CREATE ON SCHEMA stairwell TO \"Ann\";"]);
    }

    #[test]
    fn what_is_lacking_on_a_ledger_is_granted_on_the_ledger() {
        let there = Facts { shape: Shape::Current, lacks: vec!["INSERT".into(), "DELETE".into()], ..facts() };
        assert_eq!(
            privileges(&Ok(there), &session()).sql,
            ["GRANT USAGE ON SCHEMA stairwell TO \"Ann\";", "GRANT INSERT, DELETE ON stairwell.ledger TO \"Ann\";"]
        );
        let old = Facts { shape: Shape::Old, may: vec![Right::UseSchema, Right::CreateInSchema], ..facts() };
        assert_eq!(privileges(&Ok(old), &session()).sql, ["ALTER TABLE stairwell.ledger OWNER TO \"Ann\";"]);
    }

    #[test]
    fn what_pending_ones_say_of_themselves_is_counted() {
        let script = |text: &str| Script::parse("1_a.up.sql".into(), text.as_bytes(), Direction::Up).0.unwrap();
        let both =
            script("-- stairwell: irreversible it is gone\n-- stairwell: destructive nobody wants it\ndrop table t;");
        let plain = script("select 1;");
        assert_eq!(directives(&[&both, &plain]), "; of the pending: 1 irreversible, 1 destructive");
        assert_eq!(directives(&[&plain]), "");
    }

    #[test]
    fn a_ledger_that_may_not_be_read_is_not_called_broken() {
        let hidden = Facts { shape: Shape::Current, ..facts() };
        let failed = || Err(Failure::new(Code::Failed, "permission denied"));
        assert_eq!(ledger(&Ok(hidden), &failed()).state, finding::State::Unknown);
        let readable = Facts { shape: Shape::Current, may: vec![Right::UseSchema], ..facts() };
        assert_eq!(ledger(&Ok(readable), &failed()).state, finding::State::Wrong);
    }

    #[test]
    fn a_newer_stairwell_is_known_by_what_it_wrote() {
        let record = |with: &str| Record {
            started_at: String::new(),
            applied_at: None,
            elapsed: None,
            by: String::new(),
            with: with.to_owned(),
            remarks: None,
        };
        assert_eq!(newer(&record("cargo xtask db (stairwell 99.0.1)")).as_deref(), Some("99.0.1"));
        assert_eq!(newer(&record(&format!("cargo xtask db (stairwell {OWN})"))), None);
        assert_eq!(newer(&record("shop 100.4.2")), None);
    }
}
