//! `db history`

use super::case::{A, B, C, Case, Files};
use crate::harness::Outcome;

crate::trials!(
    history_shows_the_whole_line_newest_first,
    verbose_adds_comments_and_remarks,
    a_range_shows_a_piece_of_the_line,
    history_for_programs,
);

/// With comments at its top, among them a directive.
const TOLD: Files<'_> = (
    "2_told",
    "-- What it is for.\n-- stairwell: destructive nothing is in it\n--\n-- And why.\n\ncreate table told ();",
    "drop table told;",
);

fn history_shows_the_whole_line_newest_first() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    let empty = case.see(&["history"]);
    case.db(&["up", "2"]).ok();
    insta::assert_snapshot!("history", [empty, case.see(&["history"])].join("\n"));
    Ok(())
}

fn verbose_adds_comments_and_remarks() -> Outcome {
    let case = Case::applied(&[A, TOLD])?;
    case.db(&["stamp", "1"]).ok();
    case.db(&["stamp", "head", "--reason", "told by hand"]).ok();
    insta::assert_snapshot!("history_verbose", case.see(&["history", "--verbose"]));
    Ok(())
}

fn a_range_shows_a_piece_of_the_line() -> Outcome {
    let case = Case::applied(&[A, B, C])?;
    let ids = |range: &str| {
        let shown = case.db(&["history", "--range", range]).ok().stdout;
        shown.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(ids("2:"), ["3_c", "2_b"]);
    assert_eq!(ids(":b"), ["2_b", "1_a"]);
    assert_eq!(ids("b:b"), ["2_b"]);
    assert_eq!(ids("base:head"), ["3_c", "2_b", "1_a"]);
    insta::assert_snapshot!(
        "history_range",
        case.see_all(&[
            &["history", "--range", "3:1"],
            &["history", "--range", "nope:"],
            &["history", "--range", "3"],
            &["history", "--range", "1:base"],
            &["history", "--range", "+1:"],
        ])
    );
    Ok(())
}

fn history_for_programs() -> Outcome {
    let case = Case::with(&[A, TOLD])?;
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!("history_json", case.see(&["history", "--json"]));
    Ok(())
}
