//! What the output looks like where it goes.

use std::process::{Command, Stdio};

use super::case::{A, BROKEN, Case};
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    without_a_terminal_there_is_no_escape_byte,
    many_steps_are_plain_lines_without_a_terminal,
    a_terminal_gets_colours_and_no_color_takes_them_away,
    urls_and_paths_go_to_standard_output_and_all_else_to_standard_error,
);

/// What a command shows in a terminal, which `script` of util-linux makes, when this is typed.
#[cfg(unix)]
pub(crate) fn in_terminal(command: &Command, typed: &str) -> Result<String, Skip> {
    use std::io::Write as _;
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
    let line: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    script.env("TERM", "xterm").current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let spawned = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        return Err(Skip("there is no `script` of util-linux to make a terminal".to_owned()));
    };
    // Kept open until the end: without it the terminal hangs up.
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    let reader = std::thread::spawn(move || child.wait_with_output().unwrap());
    let output = reader.join().unwrap();
    drop(input);
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("unrecognized option") || errors.contains("illegal option") {
        return Err(Skip(format!("this `script` is not the one of util-linux: {errors}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn without_a_terminal_there_is_no_escape_byte() -> Outcome {
    let case = Case::with(&[A, BROKEN])?;
    for arguments in [
        &["up"][..],
        &["status"],
        &["redo"],
        &["down"],
        &["lock"],
        &["lock", "--check"],
        &["up", "--to", "77"],
        &["--help"],
        &["oops"],
    ] {
        for colors in [&[][..], &[("NO_COLOR", "1")], &[("NO_COLOR", "")]] {
            let ran = xtask::run(case.command(arguments).envs(colors.iter().copied()));
            assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{arguments:?}: {ran:?}");
        }
    }
    Ok(())
}

fn many_steps_are_plain_lines_without_a_terminal() -> Outcome {
    let case = Case::with(&[])?;
    for n in 1..=25 {
        case.workspace.write(&format!("{n}_t.up.sql"), format!("create table t{n} (i int);"));
        case.workspace.write(&format!("{n}_t.down.sql"), format!("drop table t{n};"));
    }
    let ran = case.db(&["up"]).ok();
    for n in 1..=25 {
        assert!(
            ran.stderr.lines().any(|line| line.starts_with(&format!("  applied [{n:>2}/25] {n}_t  "))),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(ran.stderr.lines().count(), 27, "25 steps, the lock, the end: {}", ran.stderr);
    Ok(())
}

#[cfg(unix)]
fn a_terminal_gets_colours_and_no_color_takes_them_away() -> Outcome {
    let case = Case::with(&[A, BROKEN])?;
    let seen = in_terminal(&case.command(&["up"]), "")?;
    assert!(seen.contains("\u{1b}[") && seen.contains("9_broken.up.sql:2:8"), "{seen:?}");
    let mut plain = case.command(&["up"]);
    plain.env("NO_COLOR", "1");
    let seen = in_terminal(&plain, "")?;
    assert!(!seen.contains('\u{1b}') && seen.contains("9_broken.up.sql:2:8"), "{seen:?}");
    Ok(())
}

#[cfg(not(unix))]
fn a_terminal_gets_colours_and_no_color_takes_them_away() -> Outcome {
    Err(Skip("a terminal is made with Unix means".to_owned()))
}

fn urls_and_paths_go_to_standard_output_and_all_else_to_standard_error() -> Outcome {
    let case = Case::with(&[A])?;
    let up = case.db(&["up"]).ok();
    assert_eq!(up.stdout, "");
    let status = case.db(&["status"]).ok();
    assert_eq!(status.stderr, "");
    let new = case.db(&["new", "x"]).ok();
    assert!(new.stdout.lines().all(|line| case.workspace.path().join(line).is_file()));
    Ok(())
}
