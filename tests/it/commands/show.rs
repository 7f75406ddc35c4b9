//! `db show`

use super::case::{A, B, Case};
use crate::harness::{Outcome, xtask};

crate::trials!(
    show_tells_all_about_one_migration,
    one_whose_files_are_gone_is_shown_as_the_ledger_kept_it,
    what_the_files_say_is_shown_without_a_server,
    findings_of_its_files_are_shown,
    show_for_programs,
    what_is_no_migration_is_refused,
);

fn show_tells_all_about_one_migration() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    let (applied, pending) = (case.see(&["show", "a"]), case.see(&["show", "head"]));
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    insta::assert_snapshot!("show", [applied, pending, case.see(&["show", "1"])].join("\n"));
    Ok(())
}

fn one_whose_files_are_gone_is_shown_as_the_ledger_kept_it() -> Outcome {
    let case = Case::applied(&[A, B])?;
    for file in ["2_b.up.sql", "2_b.down.sql"] {
        case.workspace.remove(file);
    }
    insta::assert_snapshot!("show_missing", case.see(&["show", "2_b"]));
    Ok(())
}

fn what_the_files_say_is_shown_without_a_server() -> Outcome {
    let case = Case::with(&[A])?;
    let nowhere = |arguments: &[&str]| {
        let mut command = case.command(arguments);
        let ran = xtask::run(command.env("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/none"));
        case.seen(arguments, &ran)
    };
    insta::assert_snapshot!("show_without_server", [nowhere(&["show", "a"]), nowhere(&["show", "b"])].join("\n"));
    Ok(())
}

fn findings_of_its_files_are_shown() -> Outcome {
    let case = Case::with(&[A, ("2_sets", "set search_path = public; create table s ();", "drop table s;")])?;
    insta::assert_snapshot!("show_findings", case.see(&["show", "sets"]));
    Ok(())
}

fn show_for_programs() -> Outcome {
    let case = Case::applied(&[A])?;
    insta::assert_snapshot!("show_json", case.see(&["show", "a", "--json"]));
    Ok(())
}

fn what_is_no_migration_is_refused() -> Outcome {
    let case = Case::applied(&[A])?;
    insta::assert_snapshot!(
        "show_wrong",
        case.see_all(&[&["show", "base"], &["show", "nope"], &["show", "+1"], &["show"]])
    );
    Ok(())
}
