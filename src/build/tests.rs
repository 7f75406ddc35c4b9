#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use tempfile::TempDir;

use super::*;

/// A workspace with the package `app` and, beside it, these migrations.
fn workspace(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("app")).unwrap();
    fs::create_dir_all(root.path().join("migrations")).unwrap();
    fs::write(root.path().join("Cargo.lock"), "").unwrap();
    for (file, text) in files {
        fs::write(root.path().join("migrations").join(file), text).unwrap();
    }
    root
}

/// Locks the migrations as they are.
fn lock(root: &TempDir) {
    let folder = root.path().join("migrations");
    let lock = directory::inspect(&folder).unwrap().set().lock().to_string();
    fs::write(folder.join("stairwell.lock"), lock).unwrap();
}

fn write(root: &TempDir, file: &str, text: &str) {
    fs::write(root.path().join("migrations").join(file), text).unwrap();
}

fn build(root: &TempDir, variables: &[(&str, &str)]) -> Build {
    Build::from_cargo(|name| match name {
        "CARGO_MANIFEST_DIR" => Some(root.path().join("app").into_os_string()),
        _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
    })
}

/// What the build script prints, with the temporary folder left out. `app/../migrations` is how a build script sees `../migrations`.
fn printed(root: &TempDir, variables: &[(&str, &str)]) -> String {
    let folder = root.path().join("app/../migrations");
    let text = Verdict::of(&folder, &build(root, variables)).to_string();
    text.replace(&root.path().display().to_string(), "[root]")
}

/// The lines of the text that are not for Cargo's eyes only.
fn messages(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("cargo::error=") || line.starts_with("cargo::warning=")).collect()
}

const ONE: [(&str, &str); 2] = [("1_a.up.sql", "create table a ();\n"), ("1_a.down.sql", "drop table a;\n")];

#[test]
fn a_locked_set_says_nothing_and_gives_the_crate_its_head_and_digest() {
    let root = workspace(&ONE);
    lock(&root);
    insta::assert_snapshot!(printed(&root, &[("PROFILE", "release"), ("CI", "true")]));
}

#[test]
fn the_digest_is_that_of_the_set_and_changes_with_any_script() {
    let root = workspace(&ONE);
    let digest = || {
        let text = printed(&root, &[]);
        text.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=STAIRWELL_DIGEST=")).unwrap().to_owned()
    };
    let before = digest();
    assert_eq!(before, directory::inspect(&root.path().join("migrations")).unwrap().set().digest().to_string());
    write(&root, "1_a.down.sql", "drop table a cascade;\n");
    assert_ne!(before, digest());
}

#[test]
fn without_migrations_the_head_is_empty_and_the_build_passes() {
    let text = printed(&workspace(&[]), &[("PROFILE", "release")]);
    assert!(text.contains("cargo::rustc-env=STAIRWELL_HEAD=\n"), "{text}");
    assert_eq!(messages(&text), Vec::<&str>::new());
}

#[test]
fn cargo_looks_at_the_whole_folder_and_at_ci() {
    let text = printed(&workspace(&ONE), &[]);
    assert!(
        text.starts_with("cargo::rerun-if-changed=[root]/app/../migrations\ncargo::rerun-if-env-changed=CI\n"),
        "{text}"
    );
}

#[test]
fn a_migration_that_is_not_locked_is_a_warning_while_one_develops_and_an_error_in_ci_and_in_a_release() {
    let table: &[(Option<&str>, Option<&str>, Unlocked)] = &[
        (Some("debug"), None, Unlocked::Warn),
        (None, None, Unlocked::Warn),
        (Some("debug"), Some(""), Unlocked::Warn),
        (Some("debug"), Some("0"), Unlocked::Warn),
        (Some("debug"), Some("false"), Unlocked::Warn),
        (Some("debug"), Some("False"), Unlocked::Warn),
        (Some("debug"), Some("no"), Unlocked::Warn),
        (Some("debug"), Some("true"), Unlocked::Refuse),
        (Some("debug"), Some("1"), Unlocked::Refuse),
        (Some("debug"), Some("woodpecker"), Unlocked::Refuse),
        (Some("release"), None, Unlocked::Refuse),
        (Some("release"), Some("false"), Unlocked::Refuse),
    ];
    let root = workspace(&ONE);
    for (profile, ci, expected) in table {
        let variables: Vec<_> =
            [("PROFILE", *profile), ("CI", *ci)].into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        assert_eq!(build(&root, &variables).unlocked, *expected, "{variables:?}");
        let text = printed(&root, &variables);
        let level = if *expected == Unlocked::Refuse { "cargo::error=" } else { "cargo::warning=" };
        assert!(
            !messages(&text).is_empty() && messages(&text).iter().all(|line| line.starts_with(level)),
            "{variables:?}: {text}"
        );
    }
}

#[test]
fn an_unlocked_migration_is_shown_with_what_to_do() {
    insta::assert_snapshot!(printed(&workspace(&ONE), &[("PROFILE", "debug")]));
}

/// One folder with a late migration, a duplicate, a bad name, an edited file and transaction control.
fn everything_wrong() -> TempDir {
    let root = workspace(&ONE);
    write(&root, "5_e.up.sql", "create table e ();\n");
    write(&root, "5_e.down.sql", "drop table e;\n");
    lock(&root);
    write(&root, "1_a.up.sql", "create table a (i int);\n");
    write(&root, "3_late.up.sql", "create table c ();\n");
    write(&root, "3_late.down.sql", "drop table c;\n");
    write(&root, "5_other.up.sql", "create table o ();\n");
    write(&root, "5_other.down.sql", "drop table o;\n");
    write(&root, "6-f.up.sql", "create table f ();\n");
    write(&root, "7_g.up.sql", "create table g ();\n  -- é\n  COMMIT;\n");
    write(&root, "7_g.down.sql", "drop table g;\n");
    root
}

#[test]
fn all_that_is_wrong_is_printed_at_once() {
    insta::assert_snapshot!(printed(&everything_wrong(), &[("PROFILE", "debug")]));
}

#[test]
fn every_line_is_one_that_cargo_reads() {
    let root = everything_wrong();
    write(&root, "8_h.up.sql", "select 'a\n\n\nb', 'open\n\n");
    write(&root, "8_h.down.sql", "\n\n\n");
    #[cfg(unix)]
    write(&root, "9\ni.up.sql", "");
    for text in [
        printed(&root, &[]),
        printed(&workspace(&[]), &[]),
        Verdict::of(Path::new("no/such/folder"), &Build::default()).to_string(),
    ] {
        assert!(text.ends_with('\n') && text.lines().all(|line| line.starts_with("cargo::")), "{text}");
    }
}

#[test]
fn every_error_is_still_an_error_where_unlocked_migrations_are_a_warning() {
    let verdict = Verdict::of(&everything_wrong().path().join("migrations"), &Build::default());
    for finding in verdict.findings() {
        assert_eq!(finding.severity == Severity::Warning, finding.rule == Rule::NotLocked, "{finding}");
    }
}

#[test]
fn a_folder_that_is_missing_is_an_error_that_names_it_as_seen_from_the_workspace() {
    let root = workspace(&[]);
    fs::remove_dir(root.path().join("migrations")).unwrap();
    insta::assert_snapshot!(printed(&root, &[]));
}

#[test]
fn paths_are_shown_from_the_workspace_and_otherwise_as_they_were_given() {
    let root = workspace(&ONE);
    let given = root.path().join("app/../migrations");
    let shown = |workspace: Option<&Path>| {
        let workspace = workspace.map(Path::to_owned);
        Verdict::of(&given, &Build { workspace, ..Build::default() }).findings()[0].path.clone().unwrap()
    };
    assert_eq!(shown(Some(root.path())), "migrations/1_a.up.sql");
    let as_given = given.join("1_a.up.sql").display().to_string();
    assert_eq!(shown(None), as_given);
    assert_eq!(shown(Some(&root.path().join("app"))), as_given, "it lies outside");
    assert_eq!(shown(Some(&root.path().join("missing"))), as_given);
}

#[test]
fn the_workspace_is_the_nearest_folder_with_a_cargo_lock() {
    let root = workspace(&[]);
    assert_eq!(build(&root, &[]).workspace.as_deref(), Some(root.path()));
    fs::write(root.path().join("app/Cargo.lock"), "").unwrap();
    assert_eq!(build(&root, &[]).workspace, Some(root.path().join("app")));
    assert_eq!(Build::from_cargo(|_| None).workspace, None);
}

#[test]
fn only_none_zero_false_and_no_mean_that_this_is_no_ci() {
    for value in ["", "0", "false", "FALSE", "no", "No"] {
        assert!(!is_ci(value), "{value}");
    }
    for value in ["1", "true", "yes", "woodpecker", "drone", "00"] {
        assert!(is_ci(value), "{value}");
    }
}

#[test]
fn what_is_wrong_a_thousand_times_is_said_fifty_times_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    for n in 1..=60 {
        for direction in ["up", "down"] {
            fs::write(folder.path().join(format!("{n}_a.{direction}.sql")), "select 1;").unwrap();
        }
    }
    let verdict = Verdict::of(folder.path(), &Build::default());
    let text = verdict.to_string();
    assert_eq!(verdict.findings().len(), 60);
    assert_eq!(text.matches(" is not locked yet").count(), 50);
    assert!(text.contains("cargo::warning=[not-locked]: 10 more of the same\n"), "{text}");
}
