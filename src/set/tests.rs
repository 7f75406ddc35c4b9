#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::diagnostic::{Rule, Severity};
use crate::directory::inspect_as;
use crate::lock::LOCK_FILE;

const FOLDER: &str = "migrations";

type Given = Source<Vec<u8>>;

fn source(file: &str, bytes: impl Into<Vec<u8>>) -> Given {
    Source { path: format!("{FOLDER}/{file}"), bytes: bytes.into() }
}

fn of(sources: Vec<Given>) -> Inspection {
    Inspection::of(sources.into_iter().map(Ok), &format!("{FOLDER}/{LOCK_FILE}"), |_, bytes| Ok(bytes.into()))
}

fn inspected(files: &[(&str, &str)]) -> Inspection {
    of(files.iter().map(|(file, text)| source(file, *text)).collect())
}

/// The files as they are now, beside the lock of what they were.
fn locked(before: &[(&str, &str)], now: &[(&str, &str)]) -> Inspection {
    let lock = inspected(before).set().lock().to_string();
    with_lock(now, &lock)
}

fn with_lock(files: &[(&str, &str)], lock: &str) -> Inspection {
    let mut sources: Vec<_> = files.iter().map(|(file, text)| source(file, *text)).collect();
    sources.push(source(LOCK_FILE, lock));
    of(sources)
}

fn all(inspection: &Inspection) -> String {
    Findings(inspection.findings.clone()).to_string()
}

/// Rule and file of each finding.
fn found(inspection: &Inspection) -> Vec<(Rule, &str)> {
    let file = |f: &'_ Diagnostic| -> usize { f.path.as_deref().map_or(0, |p| p.rfind('/').map_or(0, |n| n + 1)) };
    inspection.findings.iter().map(|f| (f.rule, f.path.as_deref().map_or("", |path| &path[file(f)..]))).collect()
}

/// What is found in this up script, which has its down script and is not locked.
fn in_up(text: impl Into<Vec<u8>>) -> Vec<Diagnostic> {
    let inspection = of(vec![source("1_a.up.sql", text), source("1_a.down.sql", "select 0;")]);
    inspection.findings.into_iter().filter(|f| f.rule != Rule::NotLocked).collect()
}

fn rules_in_up(text: &str) -> Vec<Rule> {
    in_up(text).iter().map(|f| f.rule).collect()
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

const ONE: [(&str, &str); 2] = [("1_a.up.sql", "create table a (i int);\n"), ("1_a.down.sql", "drop table a;\n")];
const TWO: [(&str, &str); 4] =
    [ONE[0], ONE[1], ("2_b.up.sql", "create table b (i int);\n"), ("2_b.down.sql", "drop table b;\n")];
const THREE: [(&str, &str); 6] =
    [TWO[0], TWO[1], TWO[2], TWO[3], ("3_c.up.sql", "create table c (i int);\n"), ("3_c.down.sql", "drop table c;\n")];

// Names, pairs, kinds of files.

#[test]
fn migrations_come_in_the_order_of_their_numbers_and_not_of_their_letters() {
    let inspection = inspected(&[
        ("10_b.up.sql", "select 1;"),
        ("10_b.down.sql", "select 1;"),
        ("9_a.down.sql", "select 1;"),
        ("9_a.up.sql", "select 1;"),
    ]);
    let ids: Vec<_> = inspection.set().migrations().iter().map(Migration::id).collect();
    assert_eq!(ids, ["9_a", "10_b"]);
    assert_eq!(inspection.set().head().unwrap().id(), "10_b");
    let nine = Version::new(9).unwrap();
    assert_eq!(inspection.set().get(nine).unwrap().name(), "a");
    assert!(inspection.set().get(Version::new(8).unwrap()).is_none());
}

#[test]
fn two_migrations_of_one_version_are_refused_and_both_are_named() {
    let mut files = THREE.to_vec();
    files.extend([("2_other.up.sql", "select 1;"), ("2_other.down.sql", "select 1;")]);
    let inspection = locked(&THREE, &files);
    insta::assert_snapshot!(all(&inspection));
    assert!(!inspection.set().migrations().iter().any(|m| m.version.get() == 2), "neither of the two is taken");
}

#[test]
fn leading_zeros_make_no_second_version_and_no_pair() {
    let both = inspected(&[ONE[0], ONE[1], ("01_a.up.sql", "select 1;")]);
    assert_eq!(found(&both), [(Rule::DuplicateVersion, "1_a.down.sql")]);
    let pair = inspected(&[ONE[0], ("01_a.down.sql", "select 1;")]);
    assert_eq!(found(&pair), [(Rule::DuplicateVersion, "01_a.down.sql")]);
}

#[test]
fn a_down_script_of_another_name_is_not_taken_for_the_pair() {
    insta::assert_snapshot!(all(&inspected(&[ONE[0], ("1_b.down.sql", "select 1;")])));
}

#[test]
fn a_file_that_is_not_named_like_a_migration_is_refused_and_never_ignored() {
    let long = format!("1_{}.up.sql", "x".repeat(200));
    for file in [
        "+1_x.up.sql",
        "-7_x.up.sql",
        "1_x.SQL",
        "1_x.up.SQL",
        "1-x.up.sql",
        "1_x y.up.sql",
        "1_x.sql",
        "1_x.up.sql~",
        "#1_x.up.sql#",
        "1_x.up.sql.orig",
        "1_x.up (copy).sql",
        "0_x.up.sql",
        "9223372036854775808_x.up.sql",
        "1_é.up.sql",
        "notes.txt",
        "stairwell.lock.orig",
        "readme.sql",
        " ",
        "\n",
        "1_x.up.sql\n",
        &long,
    ] {
        let inspection = inspected(&[(file, "select 1;")]);
        assert_eq!(found(&inspection), [(Rule::FileName, file)], "{file:?}");
        assert!(inspection.set().migrations().is_empty());
    }
}

#[test]
fn a_bad_name_is_told_with_the_reason_and_a_remedy() {
    let long = format!("1_{}.up.sql", "x".repeat(200));
    insta::assert_snapshot!(all(&inspected(&[
        ("1-x.up.sql", ""),
        ("1_x.up.sql~", ""),
        ("+1_x.up.sql", ""),
        ("1_X.up.sql", ""),
        (&long, "")
    ])));
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let inspection = inspected(&[ONE[0], ONE[1], ("1_A.up.sql", "select 1;")]);
    assert_eq!(inspection.findings.iter().filter(|f| f.path.as_deref() == Some("migrations/1_A.up.sql")).count(), 2);
    insta::assert_snapshot!(all(&inspection));
}

#[test]
fn a_readme_the_lock_and_dot_files_may_stand_beside_migrations() {
    let lock = inspected(&ONE).set().lock().to_string();
    let folder = folder(&[
        ONE[0],
        ONE[1],
        (LOCK_FILE, &lock),
        ("README.md", "# \u{0}"),
        (".gitkeep", ""),
        (".1_a.up.sql.swp", "b0VIM"),
        (".gitattributes", "* -text"),
    ]);
    assert_eq!(directory::inspect(folder.path()).unwrap().findings, []);
}

#[cfg(unix)]
#[test]
fn links_pipes_and_folders_are_refused_and_nothing_behind_them_is_read() {
    use std::os::unix::fs::symlink;
    let elsewhere = folder(&[("secret", "select 'secret';")]);
    let folder = folder(&ONE);
    let at = |file: &str| folder.path().join(file);
    symlink(elsewhere.path().join("secret"), at("2_link.up.sql")).unwrap();
    symlink("nowhere", at("3_dangling.up.sql")).unwrap();
    // Reading a pipe that nobody writes to would never end.
    assert!(Command::new("mkfifo").arg(at("4_pipe.up.sql")).status().unwrap().success());
    fs::create_dir(at("5_folder.up.sql")).unwrap();
    fs::write(at("5_folder.up.sql").join("6_x.up.sql"), "select 1;").unwrap();
    let inspection = inspect_as(folder.path(), Path::new(FOLDER)).unwrap();
    assert_eq!(inspection.set().migrations().len(), 1);
    assert!(!format!("{inspection:?}").contains("secret';"));
    let kinds = inspection.findings.into_iter().filter(|f| f.rule != Rule::NotLocked).collect();
    insta::assert_snapshot!(Findings(kinds));
}

#[cfg(unix)]
#[test]
fn a_locked_file_that_became_a_link_is_not_called_gone() {
    let folder = folder(&TWO);
    let lock = directory::inspect(folder.path()).unwrap().set().lock().to_string();
    fs::write(folder.path().join(LOCK_FILE), lock).unwrap();
    fs::remove_file(folder.path().join("1_a.down.sql")).unwrap();
    std::os::unix::fs::symlink("2_b.down.sql", folder.path().join("1_a.down.sql")).unwrap();
    let inspection = directory::inspect(folder.path()).unwrap();
    let rules: Vec<_> = inspection.findings.iter().map(|f| f.rule).collect();
    assert_eq!(rules, [Rule::FileKind]);
}

#[cfg(unix)]
#[test]
fn the_folder_itself_may_be_a_link() {
    let (folder, elsewhere) = (folder(&ONE), tempfile::tempdir().unwrap());
    let link = elsewhere.path().join(FOLDER);
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    assert_eq!(directory::inspect(&link).unwrap().set().migrations().len(), 1);
}

#[cfg(target_os = "linux")] // macOS refuses to create such a file.
#[test]
fn a_file_name_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder(&[]);
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"1_\xff.up.sql")), "select 1;").unwrap();
    insta::assert_snapshot!(all(&inspect_as(folder.path(), Path::new(FOLDER)).unwrap()));
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_that_names_it() {
    let folder = folder(&[("file", "")]);
    for (path, why) in [("missing", "No such file"), ("file", "not a folder")] {
        let error = MigrationSet::from_directory(folder.path().join(path)).unwrap_err().to_string();
        assert!(error.contains(path) && error.contains(why) && error.contains("help:"), "{error}");
    }
}

#[test]
fn an_empty_folder_is_an_empty_set() {
    let set = MigrationSet::from_directory(folder(&[]).path()).unwrap();
    assert!(set.migrations().is_empty() && set.head().is_none());
}

#[test]
fn each_migration_has_both_scripts_or_says_why_not() {
    let irreversible = "-- stairwell: irreversible the old rows are gone\nselect 1;";
    let inspection = inspected(&[
        ("1_no_down.up.sql", "select 1;"),
        ("2_no_up.down.sql", "select 1;"),
        ("3_one_way.up.sql", irreversible),
        ("4_both.up.sql", irreversible),
        ("4_both.down.sql", "select 1;"),
        ("5_a.down.sql", "select 1;"),
        ("5_b.down.sql", "select 1;"),
    ]);
    let defects = inspection.defects();
    insta::assert_snapshot!(defects);
    let reasons: Vec<_> = inspection.set().migrations().iter().map(|m| (m.version.get(), m.irreversible())).collect();
    assert_eq!(reasons, [(1, None), (3, Some("the old rows are gone")), (4, Some("the old rows are gone"))]);
}

// What is in a file.

#[test]
fn a_windows_checkout_has_the_same_digests_and_is_not_edited() {
    let crlf: Vec<_> = TWO.iter().map(|(file, text)| (*file, text.replace('\n', "\r\n"))).collect();
    let crlf: Vec<_> = crlf.iter().map(|(file, text)| (*file, text.as_str())).collect();
    assert_eq!(inspected(&crlf).set().digest(), inspected(&TWO).set().digest());
    let lock = inspected(&TWO).set().lock().to_string().replace('\n', "\r\n");
    assert_eq!(with_lock(&crlf, &lock).findings, []);
}

#[test]
fn what_is_not_utf8_is_refused_with_its_offset() {
    let table: [(&str, &[u8]); 5] = [
        ("1_utf16.up.sql", b"\xff\xfes\0e\0l\0"),
        ("2_utf16_be.up.sql", b"\xfe\xff\0s\0e\0l"),
        ("3_nul.up.sql", b"select 1;\nselect '\0';"),
        ("4_latin1.up.sql", b"\xef\xbb\xbf-- caf\xe9\nselect 1;"),
        ("5_cut.up.sql", "select 'é".as_bytes().split_last().unwrap().1),
    ];
    let inspection = of(table.iter().map(|(file, bytes)| source(file, *bytes)).collect());
    assert!(inspection.set().migrations().is_empty());
    insta::assert_snapshot!(all(&inspection));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_script_and_the_replacement_character_is() {
    assert_eq!(in_up("\u{feff}select 1;"), []);
    let inspection = inspected(&[("1_a.up.sql", "\u{feff}select '\u{fffd}'; select 2;")]);
    let up = &inspection.set().migrations()[0].up;
    assert_eq!((up.text(), up.statements().len()), ("select '\u{fffd}'; select 2;", 2));
}

#[test]
fn a_script_without_a_statement_is_refused_unless_it_says_so() {
    for text in ["", "\n\n", "-- nothing yet\n", "/* nothing */", ";;", " ; -- x\n ;", "\u{feff}", "\r\n", "\r\r\n"] {
        assert_eq!(rules_in_up(text), [Rule::Empty], "{text:?}");
    }
    assert_eq!(rules_in_up("-- stairwell: allow empty keeps the number\n"), []);
    insta::assert_snapshot!(Findings([in_up(""), in_up("-- nothing yet\n;;\n")].concat()));
}

#[test]
fn what_only_psql_understands_is_refused_with_its_line() {
    let text = "\\set ON_ERROR_STOP on\n\\i other.sql\n\\copy t from 'rows.csv'\ncopy t (a) from stdin;\n1\n2\n\\.\nselect 'it''s fine: \\i';\n";
    insta::assert_snapshot!(Findings(in_up(text)));
}

#[test]
fn a_script_cannot_control_its_transaction() {
    for text in [
        "begin",
        "start transaction",
        "commit",
        "end",
        "commit; begin",
        "commit and chain",
        "rollback",
        "abort",
        "prepare transaction 'x'",
        "rollback; create table t (i int)",
        "/* */ COMMIT -- now",
        "commit prepared 'x'",
        "rollback and chain",
    ] {
        let rules = rules_in_up(&format!("create table t (i int);\n{text};\n"));
        assert!(!rules.is_empty() && rules.iter().all(|rule| *rule == Rule::TransactionControl), "{text}: {rules:?}");
    }
    for text in [
        "savepoint a",
        "rollback to a",
        "release a",
        "do $$ begin commit; end $$",
        "select 'commit;'",
        "-- commit;\nselect 1",
    ] {
        assert_eq!(rules_in_up(&format!("{text};")), [], "{text}");
    }
    insta::assert_snapshot!(Findings(in_up(
        "begin;\ncreate table é (i int);\n  commit; rollback;\nprepare transaction 'x';\n"
    )));
}

#[test]
fn what_cannot_run_in_a_transaction_is_refused_with_the_line_that_mends_it() {
    let alone = in_up("create index concurrently i on t (a);\n");
    let beside = in_up("alter table t add a int;\ncreate index concurrently i on t (a);\n");
    let second = in_up("-- stairwell: no-transaction\ncreate index concurrently i on t (a);\ndrop index j;\n");
    let unnamed = in_up("-- stairwell: no-transaction\ncreate index concurrently on t (a);\n");
    insta::assert_snapshot!(Findings([alone, beside, second, unnamed].concat()));
    assert_eq!(rules_in_up("-- stairwell: no-transaction\ncreate index concurrently i on t (a);\n"), []);
}

#[test]
fn a_directive_is_read_wherever_it_may_stand_and_refused_everywhere_else() {
    let index = "create index concurrently i on t (a);";
    for head in [
        "-- stairwell: no-transaction\n",
        "\n\n-- stairwell: no-transaction\n",
        "/* Licence:\n * MIT\n */\n\n-- why\n-- stairwell: no-transaction\n\n",
        "-- stairwell: no-transaction\r\n",
        "\u{feff}-- STAIRWELL: No-Transaction\r\n",
        "--stairwell:no-transaction   \n",
        "\t--  stairwell : no-transaction\n",
    ] {
        assert_eq!(rules_in_up(&format!("{head}{index}")), [], "{head:?}");
    }
    for (head, tail) in [
        ("-- stairwell: notransaction\n", ""),
        ("-- stairwell no-transaction\n", ""),
        ("/* stairwell: no-transaction */\n", ""),
        ("-- stairwell: no-transaction, it is slow\n", ""),
        ("", "\n-- stairwell: no-transaction"),
        ("", " -- stairwell: no-transaction"),
        ("/* */ -- stairwell: no-transaction\n", ""),
        ("-- why\r-- stairwell: no-transaction\r", ""),
    ] {
        assert!(rules_in_up(&format!("{head}{index}{tail}")).contains(&Rule::Directive), "{head:?} {tail:?}");
    }
}

#[test]
fn a_wrong_directive_is_told_with_the_right_one() {
    let scripts = [
        "-- stairwell: notransaction\n",
        "-- stairwell no-transaction\n",
        "/* stairwell: no-transaction */\n",
        "-- stairwell: no-transaction because\n",
        "-- stairwell: irreversible\n",
        "-- stairwell: lock-timeout soon\n",
        "-- stairwell: lock-timeout\n",
        "-- stairwell: allow drop-table it is empty\n",
        "select 0;\n-- stairwell: destructive old rows\n",
    ];
    insta::assert_snapshot!(Findings(
        scripts.iter().flat_map(|script| in_up(format!("{script}select 1;\n"))).collect()
    ));
}

#[test]
fn an_open_quote_is_told_where_it_opens() {
    insta::assert_snapshot!(Findings(in_up("select 1;\nselect 'é', 'it;\nselect 2;\n")));
}

#[test]
fn of_thousands_of_findings_in_one_file_the_first_are_shown() {
    let found = in_up("commit;\n".repeat(100_000));
    assert_eq!(found.len(), 20);
    assert!(found[19].to_string().contains("there is more like this"), "{}", found[19]);
    assert_eq!(in_up("commit;\n".repeat(20)).iter().filter(|f| f.to_string().contains("there is more")).count(), 0);
}

#[test]
fn style_never_hides_what_makes_a_script_impossible() {
    let text = format!("{}\\i other.sql\n", "commit;\n".repeat(1_000));
    let inspection = locked(&[ONE[0], ("1_a.down.sql", &text)], &[ONE[0], ("1_a.down.sql", &text)]);
    assert_eq!(inspection.defects().0.iter().map(|f| f.rule).collect::<Vec<_>>(), [Rule::MetaCommand]);
}

// Sizes.

/// Far above what it takes in an unoptimized build on a busy machine, and far below what anything quadratic would.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_line_of_five_megabytes_is_read_and_a_fault_at_its_end_is_shown_on_one_screen() {
    let start = Instant::now();
    let text = format!("insert into t values {}(0); commit;", "(1, 'é'), ".repeat(500_000));
    let found = in_up(text);
    let shown = Findings(found).to_string();
    assert!(shown.contains("1 | …") && shown.contains("commit") && shown.len() < 2_000, "{} bytes", shown.len());
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn a_file_of_fifty_megabytes_is_read() {
    let start = Instant::now();
    let text =
        "insert into t (a, b) values (1, 'some words that make a row as long as rows are in a dump of a table');\n"
            .repeat(500_000);
    assert!(text.len() > 50_000_000);
    let inspection = of(vec![source("1_a.up.sql", text), source("1_a.down.sql", "truncate t;")]);
    assert_eq!(found(&inspection), [(Rule::NotLocked, "1_a.up.sql")]);
    assert_eq!(inspection.set().migrations()[0].up.statements().len(), 500_000);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn twenty_thousand_nested_parentheses_are_read() {
    let nested = |open: &str, close: &str| format!("select {}1{};", open.repeat(20_000), close.repeat(20_000));
    for text in [nested("(", ")"), nested("(", ""), nested("", ")"), nested("array[", "]")] {
        assert_eq!(in_up(text), []);
    }
    assert_eq!(in_up(nested("/*", "*/")).len(), 0);
    assert_eq!(rules_in_up(&nested("/*", "")), [Rule::Unterminated]);
    assert_eq!(in_up(nested("case when true then ", " end")), []);
    // What is looked at twice is not looked at for ever.
    let repeated = |start: &str, more: &str| in_up(format!("{start}{}", more.repeat(20_000))).len();
    assert_eq!(repeated("do $$ begin ", "update t set a = begin "), 1, "never closed");
    for (start, more, found) in [
        ("truncate t", ", u.v", 20),
        ("drop table t", ".u", 1),
        ("with x as (select 1)", ", y as (delete from t)", 20),
        ("update t set a = 1", ", (b, c) = (1, (2))", 1),
        ("alter type m add value 'a';", "select 'b', 'c';", 0),
        ("alter table t add a int", ", drop column b, rename to c", 20),
    ] {
        assert_eq!(repeated(start, more), found, "{start}{more}…");
    }
    let block = format!(
        "do $$ begin {} end $$;",
        "update begin execute q; if a then delete from t; end if; with x as (".repeat(20_000)
    );
    assert_eq!(in_up(block).len(), 20);
}

#[test]
fn ten_thousand_migrations_take_linear_time_also_when_each_has_a_fault() {
    let files = |text: &str, from: usize| -> Vec<Given> {
        let both = |n: usize| [source(&format!("{n}_a.up.sql"), text), source(&format!("{n}_a.down.sql"), text)];
        (from..from + 10_000).flat_map(both).collect()
    };
    let start = Instant::now();
    let clean = of(files("begin; select 1; commit;", 1));
    let lock = clean.set().lock().to_string();
    let with = |mut files: Vec<Given>| {
        files.push(source(LOCK_FILE, lock.as_str()));
        of(files)
    };
    let accepted = with(files("begin; select 1; commit;", 1));
    assert_eq!((accepted.findings.len(), accepted.accepted.len()), (0, 40_000));
    assert_eq!(with(files("select 1;", 1)).findings.len(), 20_000, "all edited");
    assert_eq!(with(files("select 1;", 20_001)).findings.len(), 20_000, "all missing, and all others new");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

// Against the lock.

#[test]
fn of_a_lock_that_cannot_be_read_nothing_else_is_said() {
    let lock = inspected(&ONE).set().lock().to_string();
    let sources = [source(ONE[0].0, ONE[0].1), source(ONE[1].0, ONE[1].1), source(LOCK_FILE, lock)];
    let load = |file: &str, bytes: Vec<u8>| match file {
        LOCK_FILE => Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied)),
        _ => Ok(bytes.into()),
    };
    let lock_path = format!("{FOLDER}/{LOCK_FILE}");
    let inspection = Inspection::of(sources.into_iter().map(Ok), &lock_path, load);
    assert_eq!(found(&inspection), [(Rule::Unreadable, LOCK_FILE)]);
    assert!(inspection.lock.is_none() && !inspection.defects().0.is_empty());
}

#[test]
fn what_is_locked_and_as_it_was_has_no_findings() {
    assert_eq!(locked(&THREE, &THREE).findings, []);
}

#[test]
fn a_new_migration_is_not_locked_yet_and_that_alone_does_not_keep_it_from_running() {
    let inspection = locked(&ONE, &TWO);
    insta::assert_snapshot!(all(&inspection));
    assert_eq!(inspection.defects().0, []);
    assert_eq!(inspection.lock_findings().count(), 1);
    assert_eq!(inspection.into_locked_set().unwrap().migrations().len(), 2);
}

#[test]
fn without_a_lock_every_migration_is_new() {
    assert_eq!(found(&inspected(&TWO)), [(Rule::NotLocked, "1_a.up.sql"), (Rule::NotLocked, "2_b.up.sql")]);
}

#[test]
fn a_down_script_that_came_later_is_named_as_not_locked() {
    let one_way = ("1_a.up.sql", "select 1;");
    let inspection = locked(&[one_way], &[one_way, ONE[1]]);
    insta::assert_snapshot!(all(&inspection));
}

#[test]
fn an_edited_up_script_is_refused_with_both_digests() {
    let mut files = TWO;
    files[0].1 = "create table a (i bigint);\n";
    let inspection = locked(&TWO, &files);
    assert_eq!(found(&inspection), [(Rule::Edited, "1_a.up.sql")]);
    insta::assert_snapshot!(all(&inspection));
    assert!(inspection.into_locked_set().is_err());
}

#[test]
fn an_edited_down_script_is_refused() {
    let mut files = TWO;
    files[1].1 = "drop table a cascade;\n";
    let inspection = locked(&TWO, &files);
    assert_eq!(found(&inspection), [(Rule::Edited, "1_a.down.sql")]);
    insta::assert_snapshot!(all(&inspection));
    assert!(inspection.into_locked_set().is_err());
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let inspection = locked(&THREE, &[THREE[0], THREE[1], THREE[4], THREE[5]]);
    assert_eq!(found(&inspection), [(Rule::Missing, LOCK_FILE)]);
    insta::assert_snapshot!(all(&inspection));
}

#[test]
fn a_file_that_is_gone_is_missed_also_beside_one_whose_name_ends_like_it() {
    let eleven = [("11_a.up.sql", "commit;"), ("11_a.down.sql", "commit;")];
    let before = [ONE[0], ONE[1], eleven[0], eleven[1]];
    let now = [eleven[0], ("11_a.down.sql", "rollback;")];
    let inspection = locked(&before, &now);
    assert_eq!(inspection.findings.iter().filter(|f| f.rule == Rule::Missing).count(), 1, "{}", all(&inspection));
}

#[test]
fn a_locked_file_that_is_there_and_broken_is_not_called_gone() {
    let lock = inspected(&TWO).set().lock().to_string();
    let mut sources: Vec<_> = TWO[1..].iter().map(|(file, text)| source(file, *text)).collect();
    sources.extend([source("1_a.up.sql", *b"\xff\xfe"), source(LOCK_FILE, lock)]);
    let rules: Vec<_> = of(sources).findings.iter().map(|f| f.rule).collect();
    assert!(rules.contains(&Rule::Encoding) && !rules.contains(&Rule::Missing), "{rules:?}");
}

#[test]
fn a_new_migration_that_is_older_than_locked_ones_is_refused() {
    let inspection = locked(&[THREE[0], THREE[1], THREE[4], THREE[5]], &THREE);
    assert_eq!(found(&inspection), [(Rule::OutOfOrder, "2_b.up.sql")]);
    insta::assert_snapshot!(all(&inspection));
    assert!(inspection.into_locked_set().is_err());
}

#[test]
fn a_renamed_migration_is_one_finding_that_says_so() {
    for at in [0, 2, 4] {
        let mut files = THREE;
        let (up, down) = (files[at].0.replace(".up", "_new.up"), files[at + 1].0.replace(".down", "_new.down"));
        (files[at].0, files[at + 1].0) = (&up, &down);
        let inspection = locked(&THREE, &files);
        assert_eq!(found(&inspection), [(Rule::Missing, up.as_str())]);
        if at == 2 {
            insta::assert_snapshot!(all(&inspection));
        }
    }
}

#[test]
fn a_migration_that_got_a_later_version_is_missed_and_not_locked() {
    let mut files = TWO;
    (files[0].0, files[1].0) = ("3_a.up.sql", "3_a.down.sql");
    let inspection = locked(&TWO, &files);
    assert_eq!(found(&inspection), [(Rule::NotLocked, "3_a.up.sql"), (Rule::Missing, LOCK_FILE)]);
}

#[test]
fn a_lock_that_cannot_be_read_is_refused_first_and_hides_nothing() {
    let lock = locked(&TWO, &TWO).set().lock().to_string();
    let conflict = lock.replace("# digest", "<<<<<<< HEAD\n# digest") + "=======\n>>>>>>> theirs\n";
    let no_digest: String =
        lock.lines().filter(|line| !line.starts_with("# digest")).fold(String::new(), |all, line| all + line + "\n");
    let cut = &lock[..lock.len() - 20];
    let bad_files = [ONE[0], ONE[1], ("2_b.up.sql", "commit;"), ("2_b.down.sql", "select 1;")];
    let mut shown = String::new();
    for (what, text) in [
        ("conflict", conflict.as_str()),
        ("edited", &lock.replace("2_b.up.sql", "3_b.up.sql")),
        ("no digest", &no_digest),
        ("cut", cut),
        ("garbage", "hello\n"),
        ("empty", ""),
        ("one strange character", "\u{fffd}"),
    ] {
        let inspection = with_lock(&bad_files, text);
        assert!(inspection.lock.is_none());
        assert_eq!(
            found(&inspection),
            [(Rule::LockFile, LOCK_FILE), (Rule::TransactionControl, "2_b.up.sql")],
            "{what}"
        );
        writeln!(shown, "({what})\n{}\n", inspection.findings[0]).unwrap();
        assert!(inspection.into_locked_set().is_err());
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn the_lock_of_no_migrations_is_read() {
    let lock = MigrationSet::default().lock().to_string();
    assert_eq!(with_lock(&[], &lock).findings, []);
}

#[test]
fn style_that_the_lock_accepted_is_history_until_the_file_is_edited() {
    let imported = [("1_a.up.sql", "begin;\nselect 1;\ncommit;\n"), ("2_empty.up.sql", "")];
    let inspection = locked(&imported, &imported);
    assert_eq!(inspection.findings, []);
    let accepted: Vec<_> = inspection.accepted.iter().map(|f| (f.severity, f.rule)).collect();
    let warning = |rule| (Severity::Warning, rule);
    assert_eq!(accepted.len(), 5, "two of transaction control, one empty, two without a down script: {accepted:?}");
    assert!(accepted.contains(&warning(Rule::TransactionControl)) && accepted.contains(&warning(Rule::MissingDown)));

    let edited = locked(&imported, &[("1_a.up.sql", "begin;\nselect 2;\ncommit;\n"), imported[1]]);
    let rules: Vec<_> = edited.findings.iter().map(|f| f.rule).collect();
    assert!(rules.contains(&Rule::Edited) && rules.contains(&Rule::TransactionControl), "{rules:?}");
}

#[test]
fn the_lock_never_accepts_what_cannot_run() {
    let files = [("1_a.up.sql", "\\i other.sql\nselect 1;"), ONE[1]];
    assert_eq!(found(&locked(&files, &files)), [(Rule::MetaCommand, "1_a.up.sql")]);
}

#[test]
fn all_findings_come_at_once_by_file_and_line() {
    let mut now = vec![
        ("1_a.up.sql", "create table a (i bigint);\n"),
        ONE[1],
        ("2_late.up.sql", "select 1;\ncommit;\n\\q\n-- stairwell: destructive rows\n"),
        ("2_late.down.sql", ""),
        ("4-d.up.sql", "select 1;"),
    ];
    let inspection = locked(&[THREE[0], THREE[1], THREE[4], THREE[5]], &now);
    assert_eq!(
        found(&inspection),
        [
            (Rule::Edited, "1_a.up.sql"),
            (Rule::Empty, "2_late.down.sql"),
            (Rule::OutOfOrder, "2_late.up.sql"),
            (Rule::TransactionControl, "2_late.up.sql"),
            (Rule::MetaCommand, "2_late.up.sql"),
            (Rule::Directive, "2_late.up.sql"),
            (Rule::FileName, "4-d.up.sql"),
            (Rule::Missing, LOCK_FILE),
        ]
    );
    // Whatever order the files come in.
    let same = inspection.findings.clone();
    now.reverse();
    assert_eq!(locked(&[THREE[0], THREE[1], THREE[4], THREE[5]], &now).findings, same);
}

#[test]
fn sha256sum_verifies_the_lock() {
    let folder = folder(&THREE);
    let lock = directory::inspect(folder.path()).unwrap().set().lock().to_string();
    fs::write(folder.path().join(LOCK_FILE), lock).unwrap();
    let check =
        || Command::new("sha256sum").args(["--check", "--strict", LOCK_FILE]).current_dir(folder.path()).output();
    let Ok(output) = check() else {
        eprintln!("not checked: there is no `sha256sum` here");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.ends_with(": OK")).count(), 6);
    fs::write(folder.path().join("2_b.down.sql"), "drop table c;\n").unwrap();
    assert!(!check().unwrap().status.success());
}

// For any set.

fn scripts() -> impl Strategy<Value = BTreeMap<u64, (String, String)>> {
    let text = "[a-z]{1,8}".prop_map(|name| format!("create table t_{name} (i int);\n"));
    prop::collection::btree_map(1..1_000_000_u64, (text.clone(), text), 1..12)
}

fn files(scripts: &BTreeMap<u64, (String, String)>) -> Vec<(String, String)> {
    let both = |(version, (up, down)): (&u64, &(String, String))| {
        [(format!("{version}_a.up.sql"), up.clone()), (format!("{version}_a.down.sql"), down.clone())]
    };
    scripts.iter().flat_map(both).collect()
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect()
}

proptest! {
    #[test]
    fn what_was_locked_is_accepted_and_what_is_appended_is_new(scripts in scripts(), newer in "[a-z]{1,8}") {
        let files = files(&scripts);
        prop_assert_eq!(locked(&borrowed(&files), &borrowed(&files)).findings, vec![]);
        let mut more = files.clone();
        more.extend([("1000000_b.up.sql".into(), format!("select '{newer}';")), ("1000000_b.down.sql".into(), "select 1;".into())]);
        let inspection = locked(&borrowed(&files), &borrowed(&more));
        prop_assert_eq!(found(&inspection), vec![(Rule::NotLocked, "1000000_b.up.sql")]);
    }

    #[test]
    fn one_edited_file_is_one_finding_that_names_it(scripts in scripts(), which in any::<prop::sample::Index>()) {
        let before = files(&scripts);
        let mut now = before.clone();
        let edited = which.get(&before).0.clone();
        now.iter_mut().find(|(file, _)| *file == edited).unwrap().1 += "-- more\n";
        let inspection = locked(&borrowed(&before), &borrowed(&now));
        prop_assert_eq!(found(&inspection), vec![(Rule::Edited, edited.as_str())]);
        prop_assert_ne!(inspected(&borrowed(&before)).set().digest(), inspected(&borrowed(&now)).set().digest());
    }

    #[test]
    fn one_lost_file_is_never_unnoticed(scripts in scripts(), which in any::<prop::sample::Index>()) {
        let before = files(&scripts);
        let lost = which.get(&before).0.clone();
        let now: Vec<_> = before.iter().filter(|(file, _)| *file != lost).cloned().collect();
        let inspection = locked(&borrowed(&before), &borrowed(&now));
        let named = inspection.findings.iter().any(|f| f.rule == Rule::Missing && f.message.contains(&format!("`{lost}`")));
        prop_assert!(named, "{}", all(&inspection));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_the_message_can_be_rendered(
        files in prop::collection::vec(("[0-2]{1,2}[_-][abA]\\.(up|down)\\.(sql|SQL)", prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        lock in prop::option::of("(?s).{0,80}"),
    ) {
        let lock = lock.map(|text| source(LOCK_FILE, text));
        let inspection = of(files.into_iter().map(|(file, bytes)| source(&file, bytes)).chain(lock).collect());
        let _ = all(&inspection);
    }

    #[test]
    fn any_text_of_sql_like_pieces_is_read_and_every_message_can_be_rendered(
        text in prop::collection::vec(prop::sample::select(vec![
            "commit", "begin", "/* é */", ";", "\n", "\r", "\r\n", "'", "\"", "$$", "$é$", "\\i", "copy t from stdin", "-- stairwell: ", "no-transaction",
            "--", "é", "(", ")", "create index concurrently", "on", "reindex", "vacuum", "\u{feff}", "\t", "stairwell", ":", "allow empty x", "lock-timeout 1s", "u&'", "e'\\",
        ]), 0..24).prop_map(|parts| parts.join(" ")),
    ) {
        let inspection = inspected(&[("1_a.up.sql", &text), ("1_a.down.sql", &text)]);
        let _ = all(&inspection);
        for script in inspection.set().migrations().iter().flat_map(Migration::scripts) {
            prop_assert_eq!(script.to_send().len(), script.text().len());
            for statement in script.statements() {
                prop_assert!(script.to_send().get(statement.clone()).is_some());
            }
        }
    }
}
