//! The guides: the snippets of docs/from-*.md, run as they stand there, on small projects of such a tool; and the commands of docs/ci.md.

use std::fs;
use std::process::Command;

use crate::commands::case::{A, Case};
use crate::harness::alembic::Alembic;
use crate::harness::database::TestDatabase;
use crate::harness::dump::{assert_same, dump, dump_without, programs_fit};
use crate::harness::shared::checkout;
use crate::harness::xtask::{Ran, run, shell};
use crate::harness::{Outcome, Skip};

crate::trials!(
    a_project_of_sqlx_is_brought_over,
    a_project_of_diesel_is_brought_over,
    a_project_of_alembic_is_brought_over,
    what_the_jobs_of_ci_run
);

/// The snippets in bash of a guide: the first is for the files, the last for each database.
fn snippets<const N: usize>(guide: &str) -> [&str; N] {
    let blocks: Vec<_> = guide.split("\n```").filter_map(|block| block.strip_prefix("bash\n")).collect();
    blocks.try_into().unwrap_or_else(|blocks: Vec<_>| panic!("{} snippets in bash, and not {N}", blocks.len()))
}

/// A database that a tool has migrated, and a workspace with the migrations folder of that tool in it.
struct Project {
    /// Its database is the empty one, in which what was brought over is tried.
    case: Case,
    live: TestDatabase,
}

impl Project {
    fn new() -> Result<Self, Skip> {
        let project = Self { case: Case::with(&[])?, live: TestDatabase::new()? };
        programs_fit(&project.live)?;
        match Command::new("bash").arg("--version").output() {
            Ok(output) if output.status.success() => {}
            _ => return Err(Skip("bash is not here".to_owned())),
        }
        Ok(project)
    }

    /// Writes a file of the workspace.
    fn write(&self, file: &str, text: &str) {
        let path = self.case.workspace.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a snippet in the workspace, for the live database.
    #[track_caller]
    fn snippet(&self, script: &str, more: impl FnOnce(&mut Command)) -> Ran {
        let mut command = shell(self.case.workspace.path(), script);
        command.env("DATABASE_URL", self.live.url());
        more(&mut command);
        run(&mut command).ok()
    }

    /// `migrations.new` takes the place of `migrations`, as the guides say.
    fn change_places(&self) {
        let (old, new) = (self.case.workspace.migrations(), self.case.workspace.path().join("migrations.new"));
        fs::remove_dir_all(&old).unwrap();
        fs::rename(new, old).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.case.workspace.migrations()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }

    /// A command for the live database.
    #[track_caller]
    fn live(&self, arguments: &[&str]) -> Ran {
        let mut command = self.case.command(arguments);
        run(command.env("DATABASE_URL", self.live.url()))
    }

    /// Both have everything; what the scripts make of an empty database is what the other tool has made; and both go on.
    #[track_caller]
    fn is_brought_over(&self, tables_of_the_tool: &[&str]) {
        self.case.db(&["lock", "--check"]).ok();
        let before = dump(&self.live);
        self.live(&["current", "--check"]).ok();
        let nothing = self.live(&["up", "--locked"]).ok();
        assert!(nothing.stderr.starts_with("nothing to apply"), "{}", nothing.stderr);
        assert_same("stamped", &dump(&self.live), &before);
        self.case.db(&["up", "--locked"]).ok();
        assert_same("from nothing", &dump(&self.case.database), &dump_without(&self.live, tables_of_the_tool));

        let new = self.case.db(&["new", "the_next"]).ok();
        for (file, text) in new.stdout.lines().zip(["CREATE TABLE the_next (i int);", "DROP TABLE the_next;"]) {
            fs::write(self.case.workspace.path().join(file), text).unwrap();
        }
        self.live(&["up"]).ok();
        self.live(&["down"]).ok();
        assert_same("there and back", &dump(&self.live), &before);
    }
}

fn a_project_of_sqlx_is_brought_over() -> Outcome {
    let project = Project::new()?;
    let scripts = [
        ("20240102030405_Create Users.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);\n"),
        ("20240203040506_add-phone.up.sql", "ALTER TABLE users ADD COLUMN phone text;\n"),
        ("20240203040506_add-phone.down.sql", "ALTER TABLE users DROP COLUMN phone;\n"),
        (
            "20240304050607_index_users.up.sql",
            "-- no-transaction\nCREATE INDEX CONCURRENTLY users_email_idx ON users (email);\n",
        ),
        ("20240304050607_index_users.down.sql", "-- no-transaction\nDROP INDEX CONCURRENTLY users_email_idx;\n"),
    ];
    for (file, text) in scripts {
        project.write(&format!("migrations/{file}"), text);
    }
    // As sqlx leaves it.
    let mut client = project.live.client();
    client
        .batch_execute(
            "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
             installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
             execution_time bigint NOT NULL)",
        )
        .unwrap();
    for (file, text) in scripts.iter().filter(|(file, _)| !file.ends_with(".down.sql")) {
        client.batch_execute(text).unwrap();
        let version = file.split('_').next().unwrap();
        client
            .batch_execute(&format!("INSERT INTO _sqlx_migrations VALUES ({version}, '', now(), true, '', 0)"))
            .unwrap();
    }

    let [files, database] = snippets(include_str!("../../docs/from-sqlx.md"));
    project.snippet(files, |_| {});
    project.change_places();
    assert_eq!(
        project.files(),
        [
            "20240102030405_create_users.up.sql",
            "20240203040506_add_phone.down.sql",
            "20240203040506_add_phone.up.sql",
            "20240304050607_index_users.down.sql",
            "20240304050607_index_users.up.sql",
            "stairwell.lock",
        ]
    );
    let status = project.snippet(database, |_| {});
    assert!(status.stdout.contains("3 applied, 0 pending"), "{}", status.stdout);
    project.is_brought_over(&["_sqlx_migrations"]);
    Ok(())
}

fn a_project_of_diesel_is_brought_over() -> Outcome {
    let project = Project::new()?;
    let scripts = [
        (
            "00000000000000_diesel_initial_setup",
            "CREATE FUNCTION diesel_set_updated_at() RETURNS int LANGUAGE sql AS 'SELECT 1';\n",
            Some("DROP FUNCTION diesel_set_updated_at();\n"),
        ),
        (
            "2024-01-02-030405_create_Users",
            "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);\n",
            Some("-- This file should undo anything in `up.sql`\n"),
        ),
        ("2024-02-03-040506_add_phone", "ALTER TABLE users ADD COLUMN phone text;\n", None),
        (
            "2024-03-04-050607_index_users",
            "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);\n",
            Some("DROP INDEX CONCURRENTLY users_email_idx;\n"),
        ),
    ];
    // As Diesel leaves it.
    let mut client = project.live.client();
    let table = "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT now())";
    client.batch_execute(table).unwrap();
    for (folder, up, down) in scripts {
        project.write(&format!("migrations/{folder}/up.sql"), up);
        if let Some(down) = down {
            project.write(&format!("migrations/{folder}/down.sql"), down);
        }
        client.batch_execute(up).unwrap();
        let version = folder.split('_').next().unwrap().replace('-', "");
        client.batch_execute(&format!("INSERT INTO __diesel_schema_migrations VALUES ('{version}')")).unwrap();
    }
    project.write("migrations/2024-03-04-050607_index_users/metadata.toml", "run_in_transaction = false\n");

    let [files, database] = snippets(include_str!("../../docs/from-diesel.md"));
    project.snippet(files, |_| {});
    project.change_places();
    assert_eq!(
        project.files(),
        [
            "1_diesel_initial_setup.down.sql",
            "1_diesel_initial_setup.up.sql",
            "20240102030405_create_users.down.sql",
            "20240102030405_create_users.up.sql",
            "20240203040506_add_phone.up.sql",
            "20240304050607_index_users.down.sql",
            "20240304050607_index_users.up.sql",
            "stairwell.lock",
        ]
    );
    let status = project.snippet(database, |_| {});
    assert!(status.stdout.contains("4 applied, 0 pending"), "{}", status.stdout);
    project.is_brought_over(&["__diesel_schema_migrations"]);
    Ok(())
}

/// Two more revisions, with ids as Alembic makes them: one that does nothing, and one that has no way back.
const MORE: [(&str, &str); 2] = [
    (
        "3f2c1a9b7d4e",
        "\"\"\"Merge the teams' Work; nothing to do\"\"\"\n\nrevision = \"3f2c1a9b7d4e\"\ndown_revision = \"20260126110000\"\n\n\n\
         def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n",
    ),
    (
        "90ab12cd34ef",
        "\"\"\"notes on interviews\"\"\"\n\nfrom alembic import op\n\nrevision = \"90ab12cd34ef\"\ndown_revision = \"3f2c1a9b7d4e\"\n\n\n\
         def upgrade():\n    op.execute(\"ALTER TABLE interviews ADD COLUMN notes text\")\n\n\n\
         def downgrade():\n    raise NotImplementedError\n",
    ),
];

fn a_project_of_alembic_is_brought_over() -> Outcome {
    let project = Project::new()?;
    let alembic = Alembic::find()?;
    let source = checkout("tests/it/scenarios/interviews");
    fs::remove_dir(project.case.workspace.migrations()).unwrap();
    for file in ["alembic.ini", "alembic/env.py"] {
        project.write(file, &fs::read_to_string(source.join(file)).unwrap());
    }
    for entry in fs::read_dir(source.join("alembic/versions")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        project.write(&format!("alembic/versions/{file}"), &fs::read_to_string(&path).unwrap());
    }
    for (id, text) in MORE {
        project.write(&format!("alembic/versions/{id}_.py"), text);
    }
    alembic.run(project.case.workspace.path(), &project.live, &["upgrade", "head"]).ok();

    let [files, baseline, database] = snippets(include_str!("../../docs/from-alembic.md"));
    let script = format!("alembic() {{ \"$PYTHON\" -m alembic \"$@\"; }}\n{files}");
    project.snippet(&script, |command| {
        command.env("PYTHON", alembic.python());
    });
    assert_eq!(
        project.files(),
        [
            "0001_candidates_and_interviews.down.sql",
            "0001_candidates_and_interviews.up.sql",
            "0002_questions_and_answers.down.sql",
            "0002_questions_and_answers.up.sql",
            "0003_interview_status.down.sql",
            "0003_interview_status.up.sql",
            "0004_index_open_interviews.down.sql",
            "0004_index_open_interviews.up.sql",
            "0005_merge_the_teams_work_nothing_to_do.up.sql",
            "0006_notes_on_interviews.up.sql",
            "stairwell.lock",
        ]
    );
    insta::assert_snapshot!("a_revision_of_alembic", project.case.workspace.read("0004_index_open_interviews.up.sql"));
    let status = project.snippet(database, |_| {});
    assert!(status.stdout.contains("6 applied, 0 pending"), "{}", status.stdout);
    project.is_brought_over(&["alembic_version"]);

    let anew = Project { case: Case::with(&[])?, live: project.live };
    anew.snippet(baseline, |_| {});
    assert_eq!(anew.files(), ["0001_baseline.up.sql", "stairwell.lock"]);
    anew.live(&["stamp", "head", "--purge"]).ok();
    anew.is_brought_over(&["alembic_version"]);
    Ok(())
}

/// Each job's commands, in the order in which they are run.
fn what_the_jobs_of_ci_run() -> Outcome {
    let guide = fs::read_to_string(checkout("docs/ci.md")).unwrap();
    for service in ["## GitHub", "## GitLab"] {
        let case = Case::with(&[A])?;
        case.db(&["lock"]).ok();
        let (_, section) = guide.split_once(service).unwrap();
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let commands: Vec<&str> = section
            .lines()
            .filter_map(|line| {
                line.trim().trim_start_matches("- ").trim_start_matches("run: ").strip_prefix("cargo xtask db ")
            })
            .collect();
        assert!(
            commands.len() >= 4 && commands.contains(&"check") && commands.contains(&"up"),
            "{service}: {commands:?}"
        );
        for command in commands {
            let arguments: Vec<&str> = command.split_whitespace().collect();
            run(case.command(&arguments).env("CI", "true")).ok();
        }
        assert_eq!(case.database.applied().len(), 1, "{service}");
    }
    Ok(())
}
