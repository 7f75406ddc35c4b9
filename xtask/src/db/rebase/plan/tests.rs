#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

const NOW: &str = "2026-11-21T09:30:00Z";
/// The version of [`NOW`].
const T: u64 = 20_261_121_093_000;

type Ids<'a> = &'a [&'a str];

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The text of a file of this migration, as `db new` begins it; what stands behind a `!` makes it another text.
fn text(id: &str, direction: Direction) -> Vec<u8> {
    let (id, edit) = id.split_once('!').unwrap_or((id, ""));
    let (_, name) = id.split_once('_').unwrap();
    match direction {
        Direction::Up if name == "baseline" => {
            format!("-- stairwell: squashes 2 {}\ncreate table a (); create table b ();\n", Checksum::of("")).into()
        }
        Direction::Up => format!("-- {id}\n--\n-- Why: {name}\n\ncreate table {name} (i int);{edit}\n-- {id}\n").into(),
        Direction::Down => format!("-- Undoes {id}.\n\ndrop table {name};{edit}\n").into(),
    }
}

fn both(id: &str) -> [(String, Content); 2] {
    let file = id.split_once('!').map_or(id, |(id, _)| id);
    [Direction::Up, Direction::Down]
        .map(|direction| (format!("{file}{}", direction.suffix()), Content::of(text(id, direction))))
}

fn lock<S: AsRef<str>>(ids: &[S]) -> Lock {
    Lock::from_entries(ids.iter().flat_map(|id| both(id.as_ref())).map(|(file, content)| {
        let name = file_name(&file).unwrap();
        Entry { version: name.version, direction: name.direction, checksum: content.checksum.unwrap(), file }
    }))
}

fn files<S: AsRef<str>>(ids: &[S]) -> Files {
    Files { here: ids.iter().flat_map(|id| both(id.as_ref())).collect(), in_git: Vec::new() }
}

fn ids(lock: &Lock) -> Vec<String> {
    let ups = lock.entries().iter().filter(|entry| entry.direction == Direction::Up);
    ups.map(|entry| entry.file.trim_end_matches(".up.sql").to_owned()).collect()
}

/// What the folder has after the steps. No step may overwrite what it does not name.
fn after(files: &Files, rebase: &Rebase) -> BTreeMap<String, Vec<u8>> {
    let mut here: BTreeMap<_, _> =
        files.here.iter().map(|(file, content)| (file.clone(), content.bytes.clone())).collect();
    for step in &rebase.steps {
        match step {
            Step::Rename { from, to } => {
                let bytes = here.remove(from).unwrap();
                assert_eq!(here.insert(to.clone(), bytes), None, "{to} was there");
            }
            Step::Write { file, bytes } => drop(here.insert(file.clone(), bytes.clone())),
        }
    }
    here
}

/// The lock has a line for each file, with its digest.
fn fits(files: &Files, rebase: &Rebase) {
    let after = after(files, rebase);
    assert_eq!(after.len(), rebase.lock.entries().len());
    for (file, bytes) in &after {
        assert_eq!(rebase.lock.checksum(file), Content::of(bytes.clone()).checksum, "{file}");
    }
}

fn sides(base: Option<&[&str]>, mine: &[&str], theirs: &[&str]) -> Sides {
    Sides { theirs: lock(theirs), mine: lock(mine), base: base.map(lock) }
}

#[test]
fn what_one_side_squashed_is_not_removed_and_the_baseline_keeps_its_version() {
    let base: Ids<'_> = &["1_a", "5_b"];
    let new = |name: &str| format!("{T}_{name}");
    for (mine, theirs, here, expected) in [
        // They squashed; mine is older than the baseline, and newer.
        (
            &["1_a", "3_c", "5_b"][..],
            &["5_baseline"][..],
            &["3_c", "5_baseline"][..],
            vec!["5_baseline".to_owned(), new("c")],
        ),
        (
            &["1_a", "5_b", "7_c"],
            &["5_baseline", "8_d"],
            &["5_baseline", "7_c", "8_d"],
            vec!["5_baseline".into(), "8_d".into(), new("c")],
        ),
        // I squashed.
        (&["5_baseline"], &["1_a", "5_b", "8_d"], &["5_baseline", "8_d"], vec!["5_baseline".into(), "8_d".into()]),
        (
            &["5_baseline", "7_c"],
            &["1_a", "5_b", "8_d"],
            &["5_baseline", "7_c", "8_d"],
            vec!["5_baseline".into(), "8_d".into(), new("c")],
        ),
    ] {
        let files = files(here);
        for base in [Some(base), None] {
            let rebase = plan(&sides(base, mine, theirs), &files, now()).unwrap();
            assert_eq!(ids(&rebase.lock), expected, "{mine:?} after {theirs:?}");
            fits(&files, &rebase);
        }
    }
    // It may be applied somewhere, and the baseline knows nothing of it.
    let late = sides(Some(base), &["5_baseline"], &["1_a", "3_c", "5_b"]);
    let refused = plan(&late, &files(&["3_c", "5_baseline"]), now()).unwrap_err();
    assert!(matches!(refused, Refusal::BeforeBaseline { .. }), "{refused}");
}

#[test]
fn mine_come_after_theirs_in_the_order_that_they_had() {
    let (t, t1) = (format!("{T}_"), format!("{}_", T + 1));
    let table: [(Ids<'_>, Ids<'_>, Vec<String>); 7] = [
        (&["1_a", "2_b"], &["1_a", "3_c"], vec!["1_a".into(), "3_c".into(), format!("{t}b")]),
        (
            &["1_a", "2_b", "4_d"],
            &["1_a", "3_c", "5_e"],
            vec!["1_a".into(), "3_c".into(), "5_e".into(), format!("{t}b"), format!("{t1}d")],
        ),
        // The same version, another name.
        (&["1_a", "2_b"], &["1_a", "2_c"], vec!["1_a".into(), "2_c".into(), format!("{t}b")]),
        // Mine are newer already.
        (&["1_a", "4_b"], &["1_a", "3_c"], vec!["1_a".into(), "3_c".into(), "4_b".into()]),
        // The newer of mine keeps its version only where the older one still comes before it.
        (&["1_a", "2_b", "9_d"], &["1_a", "3_c"], vec!["1_a".into(), "3_c".into(), format!("{t}b"), format!("{t1}d")]),
        (
            &["1_a", "2_b", "30000000000000_d"],
            &["1_a", "3_c"],
            vec!["1_a".into(), "3_c".into(), format!("{t}b"), "30000000000000_d".into()],
        ),
        // Nothing of mine.
        (&["1_a"], &["1_a", "3_c"], vec!["1_a".into(), "3_c".into()]),
    ];
    for (mine, theirs, expected) in table {
        let all: BTreeSet<&str> = mine.iter().chain(theirs).copied().collect();
        let files = files(&all.into_iter().collect::<Vec<_>>());
        for base in [None, Some(&["1_a"][..])] {
            let rebase = plan(&sides(base, mine, theirs), &files, now()).unwrap();
            assert_eq!(ids(&rebase.lock), expected, "{mine:?} after {theirs:?}");
            fits(&files, &rebase);
        }
    }
}

#[test]
fn the_comments_at_the_top_name_the_file_as_it_is_called_now() {
    let files = files(&["1_a", "2_b", "3_c"]);
    let rebase = plan(&sides(Some(&["1_a"]), &["1_a", "2_b"], &["1_a", "3_c"]), &files, now()).unwrap();
    assert_eq!(rebase.renamed, [("2_b".to_owned(), format!("{T}_b"))]);
    assert_eq!(rebase.before.map(Version::get), Some(1));
    let text = |file: &str| String::from_utf8(after(&files, &rebase)[file].clone()).unwrap();
    assert_eq!(
        text(&format!("{T}_b.up.sql")),
        format!("-- {T}_b\n--\n-- Why: b\n\ncreate table b (i int);\n-- 2_b\n"),
        "and what is below the first statement stays"
    );
    assert_eq!(text(&format!("{T}_b.down.sql")), format!("-- Undoes {T}_b.\n\ndrop table b;\n"));
}

#[test]
fn only_the_whole_id_is_replaced() {
    let table = [
        ("-- 1_a and 1_a.", "-- 5_a and 5_a."),
        ("-- 11_a 1_ab 1_a_b x1_a", "-- 11_a 1_ab 1_a_b x1_a"),
        ("1_a", "5_a"),
        ("\u{feff}-- 1_a1_a 1_a", "\u{feff}-- 1_a1_a 5_a"),
    ];
    for (line, expected) in table {
        assert_eq!(replace_word(line, "1_a", "5_a"), expected);
    }
    let windows = b"\xef\xbb\xbf-- 1_a\r\n\r\nselect '1_a';\r\n";
    assert_eq!(with_id(windows, "1_a", "5_a"), b"\xef\xbb\xbf-- 5_a\r\n\r\nselect '1_a';\r\n");
    assert_eq!(with_id(b"-- 1_a \xff", "1_a", "5_a"), b"-- 1_a \xff");
}

#[test]
fn one_name_on_both_sides_is_two_migrations() {
    // The folder has what git made of the two.
    let mut files = files(&["1_a", "2_b!conflict"]);
    files.in_git = [both("2_b!mine"), both("2_b!theirs")].concat();
    let sides = sides(Some(&["1_a"]), &["1_a", "2_b!mine"], &["1_a", "2_b!theirs"]);
    let rebase = plan(&sides, &files, now()).unwrap();
    assert_eq!(ids(&rebase.lock), ["1_a".to_owned(), "2_b".to_owned(), format!("{T}_b")]);
    fits(&files, &rebase);
    let after = after(&files, &rebase);
    assert_eq!(after["2_b.up.sql"], text("2_b!theirs", Direction::Up));
    assert!(String::from_utf8_lossy(&after[&format!("{T}_b.up.sql")]).contains(";mine\n"));
    // Without git there is only what is here.
    files.in_git.clear();
    assert!(matches!(plan(&sides, &files, now()), Err(Refusal::NotAsLocked { is_here: true, .. })));
}

#[test]
fn what_is_not_locked_is_mine() {
    for (here, expected) in [
        (&["1_a", "3_c", "2_b"][..], vec![("2_b".to_owned(), format!("{T}_b"))]),
        (&["1_a", "3_c", "3_d"], vec![("3_d".to_owned(), format!("{T}_d"))]),
        (&["1_a", "3_c", "4_d"], vec![]),
        (
            &["1_a", "3_c", "2_b", "4_d"],
            vec![("2_b".to_owned(), format!("{T}_b")), ("4_d".to_owned(), format!("{}_d", T + 1))],
        ),
        (&["1_a", "3_c", "4_d", "4_e"], vec![("4_e".to_owned(), format!("{T}_e"))]),
    ] {
        let rebase = plan(&sides(None, &[], &["1_a", "3_c"]), &files(here), now()).unwrap();
        assert_eq!(rebase.renamed, expected, "{here:?}");
        assert_eq!(ids(&rebase.lock), ["1_a", "3_c"], "what was not locked is not locked by this");
        assert_eq!(rebase.unlocked, here.len() - 2);
    }
}

#[test]
fn the_second_commit_of_a_rebase_finds_the_first_one_renamed() {
    // 2_b was mine and is T_b now; the next commit adds 5_e.
    let renamed = format!("{T}_b");
    let theirs = ["1_a", "3_c", &renamed];
    let files = files(&["1_a", "3_c", &renamed, "5_e"]);
    for base in [None, Some(&["1_a", "2_b"][..])] {
        let rebase = plan(&sides(base, &["1_a", "2_b", "5_e"], &theirs), &files, now()).unwrap();
        assert_eq!(ids(&rebase.lock), ["1_a".into(), "3_c".into(), renamed.clone(), format!("{}_e", T + 1)]);
        assert_eq!(rebase.before.map(Version::get), Some(1), "a database that has 2_b and 5_e has nothing of theirs");
        fits(&files, &rebase);
    }
}

#[test]
fn an_edit_that_git_carried_over_to_the_new_name_is_locked() {
    // 2_b was renamed when the first commit was done, and the second one edits it.
    let renamed = format!("{T}_b");
    let carried = |id: &str| {
        both(id).map(|(file, content)| {
            (file.replace("2_b", &renamed), Content::of(with_id(&content.bytes, "2_b", &renamed)))
        })
    };
    let locked = |id: &str| {
        let entry = |(file, content): (String, Content)| {
            let name = file_name(&file).unwrap();
            Entry { version: name.version, direction: name.direction, checksum: content.checksum.unwrap(), file }
        };
        let entries = lock(&["1_a", "3_c"]).entries().to_vec();
        Lock::from_entries(entries.into_iter().chain(carried(id).map(entry)))
    };
    let here = |id: &str| {
        let mut files = files(&["1_a", "3_c"]);
        files.here.extend(carried(id));
        files
    };
    for base in [None, Some(&["1_a", "2_b"][..])] {
        let sides = Sides { theirs: locked("2_b"), ..sides(base, &["1_a", "2_b!x"], &[]) };
        let rebase = plan(&sides, &here("2_b!x"), now()).unwrap();
        assert_eq!((rebase.steps.len(), &rebase.lock), (0, &locked("2_b!x")));
        // Another edit than the one that was locked is no one's.
        assert!(plan(&sides, &here("2_b!y"), now()).is_err());
    }
}

#[test]
fn a_side_that_changed_what_both_had_is_named() {
    let edited = |side| Err(Refusal::Edited { side, file: "1_a.down.sql".into() });
    let removed = |side| Err(Refusal::Removed { side, id: "1_a".into() });
    let table: [(Ids<'_>, Ids<'_>, Result<Rebase, Refusal>); 4] = [
        (&["1_a!x", "2_b"], &["1_a", "3_c"], edited(Side::Mine)),
        (&["1_a", "2_b"], &["1_a!x", "3_c"], edited(Side::Theirs)),
        (&["2_b"], &["1_a", "3_c"], removed(Side::Mine)),
        (&["1_a", "2_b"], &["3_c"], removed(Side::Theirs)),
    ];
    for (mine, theirs, expected) in table {
        let found = plan(&sides(Some(&["1_a"]), mine, theirs), &files(&["1_a", "2_b", "3_c"]), now());
        assert_eq!(found, expected, "{mine:?} {theirs:?}");
    }
    // Both did the same.
    let both = sides(Some(&["1_a"]), &["1_a!x", "2_b"], &["1_a!x", "3_c"]);
    assert!(plan(&both, &files(&["1_a!x", "2_b", "3_c"]), now()).is_ok());
}

#[test]
fn a_file_that_is_not_what_was_locked_stops_it() {
    let sides = sides(Some(&["1_a"]), &["1_a", "2_b"], &["1_a", "3_c"]);
    for (here, expected) in [
        (&["1_a", "2_b"][..], ("3_c.up.sql", false)),
        (&["1_a", "3_c"], ("2_b.down.sql", false)),
        (&["1_a", "2_b", "3_c!x"], ("3_c.up.sql", true)),
        (&["1_a", "2_b!x", "3_c"], ("2_b.down.sql", true)),
        (&["1_a!x", "2_b", "3_c"], ("1_a.up.sql", true)),
    ] {
        let refusal = plan(&sides, &files(here), now()).unwrap_err();
        assert_eq!(refusal, Refusal::NotAsLocked { file: expected.0.into(), is_here: expected.1 }, "{here:?}");
    }
}

#[test]
fn names_that_could_not_be_are_refused() {
    let long = format!("2_{}", "x".repeat(188));
    let last = format!("{}_z", i64::MAX);
    let refusal =
        |mine: &str, theirs: &str| plan(&sides(None, &[mine], &[theirs]), &files(&[mine, theirs]), now()).unwrap_err();
    assert!(matches!(refusal(&long, "3_c"), Refusal::Name { .. }));
    assert_eq!(refusal("2_b", &last), Refusal::NoVersion);
    // Two files that would be one.
    let mut twins = files(&["3_c", "2_b"]);
    twins.here.extend(both("02_b"));
    assert!(matches!(plan(&sides(None, &[], &["3_c"]), &twins, now()), Err(Refusal::Taken { .. })));
}

#[test]
fn every_refusal_reads_well() {
    let refusals = [
        Refusal::Edited { side: Side::Mine, file: "1_a.up.sql".into() },
        Refusal::Removed { side: Side::Theirs, id: "1_a".into() },
        Refusal::NotAsLocked { file: "1_a.up.sql".into(), is_here: true },
        Refusal::NotAsLocked { file: "1_a.up.sql".into(), is_here: false },
        Refusal::Unread { file: "1_a.up.sql".into() },
        Refusal::Taken { from: "2_b.up.sql".into(), to: "3_b.up.sql".into() },
        Refusal::Name { file: "3_b.up.sql".into(), why: "it is 300 bytes long, and 200 are the most".into() },
        Refusal::NoVersion,
    ];
    insta::assert_snapshot!(refusals.map(|refusal| refusal.to_string()).join("\n\n"));
}

proptest! {
    #[test]
    fn theirs_stay_and_mine_follow_in_order_whatever_both_added(
        common in prop::collection::btree_set(1_u64..40, 0..6),
        mine in prop::collection::btree_set(1_u64..60, 0..6),
        theirs in prop::collection::btree_set(1_u64..60, 0..6),
        future in prop::option::of(T - 2..T + 3),
        has_base: bool,
        unlocked in 0_usize..3,
    ) {
        let named = |versions: &BTreeSet<u64>, name: &str| -> Vec<String> {
            versions.iter().map(|version| format!("{version}_{name}")).collect()
        };
        let common = named(&common, "common");
        let own = named(&mine.into_iter().chain(future).collect(), "mine");
        let others = named(&theirs, "theirs");
        let files = files(&[&common[..], &own, &others].concat());
        // The last of mine are not locked yet.
        let locked = &own[..own.len().saturating_sub(unlocked)];
        let sides = Sides {
            theirs: lock(&[&common[..], &others].concat()),
            mine: lock(&[&common[..], locked].concat()),
            base: has_base.then(|| lock(&common)),
        };
        let rebase = plan(&sides, &files, now()).unwrap();
        let after = after(&files, &rebase);
        // Complete, and theirs untouched.
        prop_assert_eq!(after.len(), files.here.len());
        for entry in sides.theirs.entries() {
            prop_assert!(rebase.lock.entries().contains(entry));
            prop_assert_eq!(&after[&entry.file], &files.here[&entry.file].bytes);
        }
        for entry in rebase.lock.entries() {
            prop_assert_eq!(Content::of(after[&entry.file].clone()).checksum, Some(entry.checksum));
        }
        prop_assert_eq!(rebase.lock.entries().len(), sides.theirs.entries().len() + 2 * locked.len());
        // Mine after theirs, each with a version of its own, in the order that they had.
        let new: BTreeMap<&str, &str> = rebase.renamed.iter().map(|(old, new)| (&**old, &**new)).collect();
        let versions: Vec<u64> = own
            .iter()
            .map(|id| new.get(id.as_str()).copied().unwrap_or(id).split('_').next().unwrap().parse().unwrap())
            .collect();
        prop_assert!(versions.is_sorted_by(|a, b| a < b), "{:?}", versions);
        let newest = sides.theirs.entries().last().map_or(0, |entry| entry.version.get());
        prop_assert!(versions.iter().all(|version| *version > newest));
        // A second time there is nothing to do.
        let again = Files { here: after.into_iter().map(|(file, bytes)| (file, Content::of(bytes))).collect(), in_git: vec![] };
        let sides = Sides { theirs: rebase.lock.clone(), ..Sides::default() };
        let second = plan(&sides, &again, now()).unwrap();
        prop_assert!(second.steps.is_empty(), "{:?}", second.steps);
        prop_assert_eq!(second.lock, rebase.lock);
    }
}
