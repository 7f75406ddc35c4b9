//! `db rebase`, in the middle of what git stops for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::case::{Case, Files, ReadOnly, as_ordinary_user, commit_all, git, needs_git};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    in_a_merge_mine_come_after_theirs,
    every_conflict_style_of_git_is_read,
    in_a_rebase_the_commits_that_are_put_on_top_are_mine,
    a_commit_that_edits_one_of_mine_is_put_on_top_as_well,
    in_a_worktree_the_rebase_is_seen_as_well,
    a_cherry_picked_migration_comes_last,
    a_stashed_migration_comes_last,
    mailed_patches_come_last,
    one_name_on_both_sides_becomes_two_migrations,
    after_taking_their_lock_the_index_still_tells_whose_is_what,
    without_git_the_markers_are_enough,
    what_is_not_locked_and_older_is_mine,
    a_side_that_edited_or_removed_what_both_had_is_named_and_nothing_changes,
    a_dry_run_writes_nothing,
    the_side_that_is_mine_can_be_named,
    on_the_branch_that_everyone_has_what_comes_in_is_renamed,
    a_migration_can_be_named,
    a_database_that_has_the_old_versions_is_mended_as_the_words_say,
    a_lock_that_is_rubbish_is_refused_and_left,
    a_folder_that_cannot_be_written_to_is_left_as_it_was,
);

const A: Files<'_> = ("1_a", "-- 1_a\n\ncreate table a (i int);\n", "-- Undoes 1_a.\n\ndrop table a;\n");
const MINE: Files<'_> = ("2_b", "-- 2_b\n\ncreate table b (i int);\n", "-- Undoes 2_b.\n\ndrop table b;\n");
const MINE_TOO: Files<'_> = ("4_d", "create table d (i int);\n", "drop table d;\n");
const THEIRS: Files<'_> = ("3_c", "create table c (i int);\n", "drop table c;\n");
const THEIRS_TOO: Files<'_> = ("5_e", "create table e (i int);\n", "drop table e;\n");

fn write(case: &Case, (id, up, down): Files<'_>) {
    case.workspace.write(&format!("{id}.up.sql"), up);
    case.workspace.write(&format!("{id}.down.sql"), down);
}

/// Each of these in a commit of its own, locked.
fn commit_each(case: &Case, migrations: &[Files<'_>]) {
    for migration in migrations {
        write(case, *migration);
        case.db(&["lock"]).ok();
        commit_all(case.workspace.path());
    }
}

/// `mine` is checked out, and `theirs` is beside it; both come from one commit with [`A`].
fn two_branches(mine: &[Files<'_>], theirs: &[Files<'_>]) -> Result<Case, Skip> {
    needs_git()?;
    let case = Case::with(&[A])?;
    let root = case.workspace.path();
    case.db(&["lock"]).ok();
    commit_all(root);
    git(root, &["switch", "--quiet", "--create", "theirs"]);
    commit_each(&case, theirs);
    git(root, &["switch", "--quiet", "--create", "mine", "main"]);
    commit_each(&case, mine);
    Ok(case)
}

/// What a person sees, with versions made of the time numbered.
fn see(case: &Case, arguments: &[&str]) -> String {
    timeless(&case.see(arguments))
}

fn timeless(seen: &str) -> String {
    let mut out = String::new();
    let mut new: Vec<String> = Vec::new();
    for word in seen.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
        if digits.len() == 14 && digits.starts_with("20") {
            if !new.contains(&digits) {
                new.push(digits.clone());
            }
            let number = new.iter().position(|other| *other == digits).unwrap() + 1;
            out.push_str(&word.replacen(&digits, &format!("<new version {number}>"), 1));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// The names that the migrations have, in order of their versions.
fn order(case: &Case) -> String {
    let ups = case.locked().into_iter().filter_map(|file| Some(file.strip_suffix(".up.sql")?.to_owned()));
    let mut ups: Vec<(u64, String)> = ups
        .map(|id| {
            let (version, name) = id.split_once('_').unwrap();
            (version.parse().unwrap(), name.to_owned())
        })
        .collect();
    ups.sort();
    ups.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// All is in order: the lock fits, by the command, by coreutils and by what a fresh database takes.
#[track_caller]
fn in_order(case: &Case, expected: &str) {
    assert_eq!(order(case), expected);
    case.db(&["lock", "--check"]).ok();
    let sums = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "stairwell.lock"])
        .current_dir(case.workspace.migrations())
        .output();
    if let Ok(sums) = sums {
        assert!(sums.status.success(), "{sums:?}");
    }
    let fresh = TestDatabase::new().unwrap_or_else(|Skip(reason)| panic!("{reason}"));
    let ran = xtask::run(case.command(&["up", "--locked"]).env("DATABASE_URL", fresh.url())).ok();
    assert!(ran.stderr.contains(&format!("{} applied", expected.split(' ').count())), "{}", ran.stderr);
}

/// All files of the folder.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap())).collect()
}

/// The command refuses, and nothing is changed.
#[track_caller]
fn refused(case: &Case, arguments: &[&str], code: i32) -> String {
    let before = tree(&case.workspace.migrations());
    let ran = case.db(arguments).exits(code);
    assert_eq!(tree(&case.workspace.migrations()), before, "nothing was changed");
    timeless(&case.seen(arguments, &ran))
}

fn in_a_merge_mine_come_after_theirs() -> Outcome {
    let case = two_branches(&[MINE, MINE_TOO], &[THEIRS, THEIRS_TOO])?;
    let root = case.workspace.path();
    git(root, &["merge", "theirs"]);
    assert!(case.lock().contains("<<<<<<<"));
    insta::assert_snapshot!("rebase_merge", format!("{}\n{}", see(&case, &["up"]), see(&case, &["rebase"])));
    in_order(&case, "a c e b d");
    let mut texts = String::new();
    for (file, text) in tree(&case.workspace.migrations()).iter().filter(|(file, _)| file.contains("_b.")) {
        texts.extend([file, ":\n", std::str::from_utf8(text).unwrap()]);
    }
    insta::assert_snapshot!("rebase_files", timeless(&texts));
    insta::assert_snapshot!("rebase_again", see(&case, &["rebase"]));
    git(root, &["add", "migrations"]);
    git(root, &["commit", "--quiet", "--no-edit"]);
    assert_eq!(git(root, &["status", "--short"]), "");
    insta::assert_snapshot!("rebase_again", see(&case, &["rebase"]));
    in_order(&case, "a c e b d");
    Ok(())
}

fn every_conflict_style_of_git_is_read() -> Outcome {
    // One longer than the lines that git puts between two conflicts, so that there are two.
    const LONG: [Files<'_>; 3] = [
        ("11_x", "create table x (i int);", "drop table x;"),
        ("12_y", "create table y (i int);", "drop table y;"),
        ("13_z", "create table z (i int);", "drop table z;"),
    ];
    for style in ["merge", "diff3", "zdiff3"] {
        needs_git()?;
        let case = Case::with(&[A])?;
        let root = case.workspace.path();
        commit_each(&case, &LONG);
        git(root, &["switch", "--quiet", "--create", "theirs"]);
        commit_each(&case, &[("20_c", THEIRS.1, THEIRS.2), ("30_both", "create table g (i int);", "drop table g;")]);
        git(root, &["switch", "--quiet", "--create", "mine", "main"]);
        commit_each(&case, &[("19_b", "create table b (i int);", "drop table b;")]);
        commit_each(&case, &[("30_both", "create table g (i int);", "drop table g;")]);
        git(root, &["-c", &format!("merge.conflictStyle={style}"), "merge", "theirs"]);
        let lock = case.lock();
        assert!(lock.matches("<<<<<<<").count() > 1, "{style}: {lock}");
        assert_eq!(lock.contains("|||||||"), style != "merge");
        // From the markers alone.
        git(root, &["update-index", "--force-remove", "migrations/stairwell.lock"]);
        case.db(&["rebase"]).ok();
        in_order(&case, "a x y z c both b");
    }
    Ok(())
}

fn in_a_rebase_the_commits_that_are_put_on_top_are_mine() -> Outcome {
    let case = two_branches(&[MINE, MINE_TOO], &[THEIRS])?;
    let root = case.workspace.path();
    git(root, &["rebase", "theirs"]);
    let first = see(&case, &["rebase"]);
    in_order(&case, "a c b");
    git(root, &["add", "migrations"]);
    git(root, &["-c", "core.editor=true", "rebase", "--continue"]);
    let second = see(&case, &["rebase"]);
    in_order(&case, "a c b d");
    insta::assert_snapshot!("rebase_in_a_rebase", format!("{first}\n{second}"));
    git(root, &["add", "migrations"]);
    git(root, &["-c", "core.editor=true", "rebase", "--continue"]);
    assert!(git(root, &["status"]).contains("nothing to commit"), "{}", git(root, &["status"]));
    assert_eq!(git(root, &["log", "--oneline"]).lines().count(), 4);
    in_order(&case, "a c b d");
    Ok(())
}

fn a_commit_that_edits_one_of_mine_is_put_on_top_as_well() -> Outcome {
    // Long enough that git knows the file again under its new name.
    let columns: String = (0..20).map(|n| format!("    column_{n} text,\n")).collect::<Vec<_>>().concat();
    let up = format!("-- 2_b\n\ncreate table b (\n{columns}    last int\n);\n");
    let case = two_branches(&[("2_b", &up, MINE.2)], &[THEIRS])?;
    let root = case.workspace.path();
    case.workspace.write("2_b.up.sql", up.replace("last int", "last bigint"));
    case.db(&["lock", "--accept-changes"]).ok();
    commit_all(root);
    git(root, &["rebase", "theirs"]);
    for _ in 0..2 {
        case.db(&["rebase"]).ok();
        in_order(&case, "a c b");
        git(root, &["add", "migrations"]);
        git(root, &["-c", "core.editor=true", "rebase", "--continue"]);
    }
    assert!(git(root, &["status"]).contains("nothing to commit"), "{}", git(root, &["status"]));
    let file = case.locked().into_iter().find(|file| file.ends_with("_b.up.sql")).unwrap();
    assert!(case.workspace.read(&file).contains("last bigint"));
    Ok(())
}

fn in_a_worktree_the_rebase_is_seen_as_well() -> Outcome {
    let case = two_branches(&[MINE], &[THEIRS])?;
    let root = case.workspace.path();
    let beside = tempfile::tempdir().unwrap();
    let tree = beside.path().join("tree");
    git(root, &["worktree", "add", "--quiet", "-b", "feature", &tree.display().to_string(), "mine"]);
    git(&tree, &["rebase", "theirs"]);
    let ran = xtask::run(xtask::db(&tree, &["rebase"]).env("DATABASE_URL", case.database.url())).ok();
    assert!(ran.stderr.contains("  2_b -> 20") && ran.stderr.contains("git rebase --continue"), "{}", ran.stderr);
    xtask::run(&mut xtask::db(&tree, &["lock", "--check"])).ok();
    Ok(())
}

fn a_cherry_picked_migration_comes_last() -> Outcome {
    let case = two_branches(&[THEIRS], &[MINE])?;
    let root = case.workspace.path();
    // Here I stand on what others have, and fetch mine.
    git(root, &["cherry-pick", "theirs"]);
    let seen = see(&case, &["rebase"]);
    assert!(seen.contains("  2_b -> <new version 1>_b") && seen.contains("git cherry-pick --continue"), "{seen}");
    in_order(&case, "a c b");
    Ok(())
}

fn a_stashed_migration_comes_last() -> Outcome {
    let case = two_branches(&[], &[THEIRS])?;
    let root = case.workspace.path();
    write(&case, MINE);
    case.db(&["lock"]).ok();
    git(root, &["stash", "--include-untracked"]);
    git(root, &["switch", "--quiet", "theirs"]);
    git(root, &["stash", "pop"]);
    assert!(case.lock().contains(">>>>>>> Stashed changes"), "{}", case.lock());
    case.db(&["rebase"]).ok();
    in_order(&case, "a c b");
    Ok(())
}

fn mailed_patches_come_last() -> Outcome {
    let case = two_branches(&[THEIRS], &[MINE])?;
    let root = case.workspace.path();
    let patch = git(root, &["format-patch", "--stdout", "main..theirs"]);
    fs::write(root.join("patch"), patch).unwrap();
    git(root, &["am", "--3way", "patch"]);
    fs::remove_file(root.join("patch")).unwrap();
    let seen = see(&case, &["rebase"]);
    assert!(seen.contains("  2_b -> <new version 1>_b") && seen.contains("git am --continue"), "{seen}");
    in_order(&case, "a c b");
    Ok(())
}

fn one_name_on_both_sides_becomes_two_migrations() -> Outcome {
    let other: Files<'_> = ("2_b", "-- 2_b\n\ncreate table other (i int);\n", "drop table other;\n");
    let case = two_branches(&[MINE], &[other])?;
    git(case.workspace.path(), &["merge", "theirs"]);
    assert!(case.workspace.read("2_b.up.sql").contains("<<<<<<<"));
    case.db(&["rebase"]).ok();
    in_order(&case, "a b b");
    assert_eq!(case.workspace.read("2_b.up.sql"), other.1);
    // A version that both have, under another name.
    let case = two_branches(&[MINE], &[("2_other", other.1, other.2)])?;
    git(case.workspace.path(), &["merge", "theirs"]);
    case.db(&["rebase"]).ok();
    in_order(&case, "a other b");
    Ok(())
}

fn after_taking_their_lock_the_index_still_tells_whose_is_what() -> Outcome {
    for taken in ["--theirs", "--ours"] {
        let case = two_branches(&[MINE, MINE_TOO], &[THEIRS])?;
        let root = case.workspace.path();
        git(root, &["merge", "theirs"]);
        git(root, &["checkout", taken, "--", "migrations/stairwell.lock"]);
        assert!(!case.lock().contains("<<<<<<<"));
        if taken == "--theirs" {
            // And made it fit, which is no order that anyone tested.
            case.db(&["lock", "--accept-changes"]).ok();
            assert_eq!(order(&case), "a b c d");
        }
        case.db(&["rebase"]).ok();
        in_order(&case, "a c b d");
        assert!(case.db(&["rebase"]).ok().stderr.starts_with("nothing to rebase"));
    }
    Ok(())
}

fn without_git_the_markers_are_enough() -> Outcome {
    let case = two_branches(&[MINE], &[THEIRS])?;
    let root = case.workspace.path();
    git(root, &["merge", "theirs"]);
    fs::remove_dir_all(root.join(".git")).unwrap();
    case.db(&["rebase"]).ok();
    in_order(&case, "a c b");
    Ok(())
}

fn what_is_not_locked_and_older_is_mine() -> Outcome {
    let case = Case::with(&[A, THEIRS])?;
    case.db(&["lock"]).ok();
    write(&case, MINE);
    insta::assert_snapshot!("rebase_not_locked", format!("{}\n{}", see(&case, &["up"]), see(&case, &["rebase"])));
    case.db(&["up"]).ok();
    in_order(&case, "a c b");
    // One that shares the version of a locked one.
    case.workspace.write("3_f.up.sql", "create table f (i int);");
    case.workspace.write("3_f.down.sql", "drop table f;");
    case.db(&["up"]).exits(3);
    case.db(&["rebase"]).ok();
    case.db(&["up"]).ok();
    in_order(&case, "a c b f");
    Ok(())
}

fn a_side_that_edited_or_removed_what_both_had_is_named_and_nothing_changes() -> Outcome {
    let mut seen = Vec::new();
    for (side, change) in [("mine", "edit"), ("theirs", "edit"), ("mine", "remove"), ("theirs", "remove")] {
        let case = two_branches(&[MINE], &[THEIRS])?;
        let root = case.workspace.path();
        git(root, &["switch", "--quiet", side]);
        if change == "edit" {
            case.workspace.write("1_a.up.sql", "create table a (i bigint);");
        } else {
            case.workspace.remove("1_a.up.sql");
            case.workspace.remove("1_a.down.sql");
        }
        case.db(&["lock", "--accept-changes"]).ok();
        commit_all(root);
        git(root, &["switch", "--quiet", "mine"]);
        git(root, &["merge", "theirs"]);
        seen.push(refused(&case, &["rebase"], 3));
    }
    insta::assert_snapshot!("rebase_changed", seen.join("\n"));
    Ok(())
}

fn a_dry_run_writes_nothing() -> Outcome {
    let case = two_branches(&[MINE], &[THEIRS])?;
    git(case.workspace.path(), &["merge", "theirs"]);
    insta::assert_snapshot!("rebase_dry_run", refused(&case, &["rebase", "--dry-run"], 0));
    Ok(())
}

fn the_side_that_is_mine_can_be_named() -> Outcome {
    // On a branch that others have as well, another one is merged.
    let case = two_branches(&[THEIRS], &[MINE])?;
    git(case.workspace.path(), &["merge", "theirs"]);
    case.db(&["rebase", "--mine", "theirs"]).ok();
    in_order(&case, "a c b");
    Ok(())
}

fn on_the_branch_that_everyone_has_what_comes_in_is_renamed() -> Outcome {
    // No remote says which one that is, so it is `main`; then one says that it is another.
    for (trunk, order) in [(None, "a c b"), (Some("mine"), "a c b"), (Some("elsewhere"), "a b c")] {
        let case = two_branches(&[THEIRS], &[MINE])?;
        let root = case.workspace.path();
        match trunk {
            None => drop(git(root, &["switch", "--quiet", "--force-create", "main"])),
            Some(trunk) => {
                drop(git(root, &["symbolic-ref", "refs/remotes/origin/HEAD", &format!("refs/remotes/origin/{trunk}")]));
            }
        }
        git(root, &["merge", "theirs"]);
        case.db(&["rebase"]).ok();
        in_order(&case, order);
    }
    Ok(())
}

fn a_migration_can_be_named() -> Outcome {
    let case = Case::with(&[A, THEIRS])?;
    case.db(&["up"]).ok();
    write(&case, MINE);
    // The lock is in order, and only this database had the newer one first.
    case.db(&["lock", "--accept-changes"]).ok();
    let up = see(&case, &["up"]);
    insta::assert_snapshot!("rebase_named", format!("{up}\n{}", see(&case, &["rebase", "2_b"])));
    case.db(&["up"]).ok();
    in_order(&case, "a c b");
    insta::assert_snapshot!("rebase_named_unknown", refused(&case, &["rebase", "2_b"], 2));
    let ran = case.db(&["rebase", "postgresql://u:hunter2@h/d"]).exits(2);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    Ok(())
}

fn a_database_that_has_the_old_versions_is_mended_as_the_words_say() -> Outcome {
    let case = two_branches(&[MINE, MINE_TOO], &[THEIRS])?;
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "2", "4"]);
    git(case.workspace.path(), &["merge", "theirs"]);
    let ran = case.db(&["rebase"]).ok();
    case.db(&["up"]).exits(1);
    assert!(ran.stderr.contains("cargo xtask db down --to 1 "), "{}", ran.stderr);
    case.db(&["down", "--to", "1"]).ok();
    case.db(&["up", "--locked"]).ok();
    assert_eq!(case.database.applied().len(), 4);
    assert!(case.has("b") && case.has("c") && case.has("d"));
    Ok(())
}

fn a_lock_that_is_rubbish_is_refused_and_left() -> Outcome {
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    let good = case.lock();
    let mut seen = Vec::new();
    for text in [
        good.replace("1_a", "1_b"),
        "hello\n".to_owned(),
        format!("<<<<<<< HEAD\n{good}"),
        "<<<<<<< HEAD\nhello\n=======\n>>>>>>> b\n".to_owned(),
    ] {
        fs::write(case.lock_path(), text).unwrap();
        seen.push(refused(&case, &["rebase"], 3));
    }
    insta::assert_snapshot!("rebase_rubbish", seen.join("\n"));
    fs::write(case.lock_path(), b"\xff\xfe\0").unwrap();
    refused(&case, &["rebase"], 3);
    let ran = case.db(&["rebase", "--dir", "nowhere"]).exits(3);
    assert!(ran.stderr.contains("`nowhere`"), "{}", ran.stderr);
    Ok(())
}

fn a_folder_that_cannot_be_written_to_is_left_as_it_was() -> Outcome {
    let case = Case::with(&[A, THEIRS])?;
    case.db(&["lock"]).ok();
    write(&case, MINE);
    let mut command = case.command(&["rebase"]);
    as_ordinary_user(&case.workspace, &mut command)?;
    let before = tree(&case.workspace.migrations());
    let read_only = ReadOnly::new(case.workspace.migrations());
    let ran = xtask::run(&mut command).exits(3);
    drop(read_only);
    assert!(ran.stderr.contains("cannot rename") && ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!(tree(&case.workspace.migrations()), before);
    Ok(())
}
