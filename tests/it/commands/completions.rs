//! `db completions`, in the shells themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::files::Workspace;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    bash_completes_cargo_xtask_and_leaves_the_rest_to_cargo,
    bash_still_loads_cargos_own_completion_when_it_is_needed,
    zsh_completes_cargo_xtask_beside_cargos_own,
    fish_completes_cargo_xtask,
    every_shell_has_a_script_and_others_are_refused,
);

/// A folder with the shell's script in it, called `script`.
fn with_script(shell: &str) -> Result<Workspace, Skip> {
    match Command::new(shell).arg("--version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {}
        _ => return Err(Skip(format!("{shell} is not installed"))),
    }
    let workspace = Workspace::new();
    let ran = xtask::run(&mut xtask::db(workspace.path(), &["completions", shell])).ok();
    assert_eq!(ran.stderr, "");
    fs::write(workspace.path().join("script"), ran.stdout).unwrap();
    Ok(workspace)
}

/// What a shell prints when it runs this, with nothing of this user's configuration.
fn output(shell: &mut Command, folder: &Path) -> String {
    let shell = shell.current_dir(folder).stdin(Stdio::null()).env("HOME", folder).env("XDG_CONFIG_HOME", folder);
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers for the last of these words, after `before` and the script.
const BASH: &str = r#"
offer() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]]
    "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "$* -> ${COMPREPLY[*]}"
}
offer xtask db u
offer cargo xtask db u
offer cargo +nightly --quiet xtask db reb
offer cargo xtask db wait --for ''
offer cargo xtask db completions b
offer cargo xt
offer cargo build --rel
offer cargo run xtask db u
"#;

fn bash_completes_cargo_xtask_and_leaves_the_rest_to_cargo() -> Outcome {
    let workspace = with_script("bash")?;
    let own = "_cargo() { COMPREPLY=(\"cargo completes $2\"); }\ncomplete -o nospace -F _cargo cargo\n";
    let mut seen = String::new();
    for (title, before) in [("without a completion of cargo", ""), ("with one", own)] {
        // A second time must not wrap the wrapper.
        let text = format!("{before}source ./script\nsource ./script\n{BASH}complete -p cargo\n");
        fs::write(workspace.path().join("try"), text).unwrap();
        let out = output(Command::new("bash").args(["--norc", "--noprofile", "-u", "./try"]), workspace.path());
        seen.extend(["[", title, "]\n", &out, "\n"]);
    }
    insta::assert_snapshot!("completions_bash", seen);
    Ok(())
}

fn bash_still_loads_cargos_own_completion_when_it_is_needed() -> Outcome {
    let workspace = with_script("bash")?;
    for (loader, version) in [("_comp_load", "2.12"), ("_completion_loader", "2.11")] {
        let text = format!(
            "{loader}() {{ _cargo() {{ COMPREPLY=(loaded); }}; complete -F _cargo \"$1\"; return 124; }}\n\
             source ./script\n{BASH}"
        );
        fs::write(workspace.path().join("try"), text).unwrap();
        let out = output(Command::new("bash").args(["--norc", "--noprofile", "./try"]), workspace.path());
        for line in ["cargo xtask db u -> up unprotect url", "cargo xt -> loaded", "cargo build --rel -> loaded"] {
            assert!(out.contains(line), "bash-completion {version}: {line} in {out}");
        }
    }
    Ok(())
}

/// Completion of zsh has no way in but a terminal of its own; `zpty` is zsh's module for that.
const ZSH: &str = r#"
zmodload zsh/zpty
cd "$1"
complete() {
    zpty -b terminal TERM=dumb zsh -f -i
    zpty -w terminal "PS1='' PROMPT=''; unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -D; $before source ./script; zstyle ':completion:*' list-colors ''"
    # Written in two, so that its echo is not taken for it.
    zpty -w terminal "bindkey '^I' list-choices; print re''ady"
    local text= all= tries=0
    while [[ $all != *ready* && tries -lt 400 ]]; do zpty -r -t terminal text && all+=$text || { sleep 0.05; (( tries++ )) }; done
    zpty -w -n terminal "$1"$'\t'
    all= tries=0
    while [[ $all != *$2* && tries -lt 400 ]]; do zpty -r -t terminal text && all+=$text || { sleep 0.05; (( tries++ )) }; done
    zpty -d terminal
    [[ $all == *$2* ]] && print -r -- "$1 offers $2" || print -r -- "$1 does not offer $2: $all"
}
before=
complete 'cargo xtask db u' "url        -- Print"
complete 'xtask db u' "url        -- Print"
complete 'cargo +nightly xtask db wait --for ' "server  -- The server"
complete 'cargo x' "xtask"
before="_cargo() { shift words; (( CURRENT-- )); local ret; _call_function ret _cargo-\$words[1] || compadd own-way }; compdef _cargo cargo;"
complete 'cargo xtask db u' "url        -- Print"
complete 'cargo build ' "own-way"
"#;

fn zsh_completes_cargo_xtask_beside_cargos_own() -> Outcome {
    let workspace = with_script("zsh")?;
    fs::write(workspace.path().join("try"), ZSH).unwrap();
    let folder = workspace.path().display().to_string();
    let out = output(Command::new("zsh").args(["-f", "./try", &folder]), workspace.path());
    let expected = "\
cargo xtask db u offers url        -- Print
xtask db u offers url        -- Print
cargo +nightly xtask db wait --for  offers server  -- The server
cargo x offers xtask
cargo xtask db u offers url        -- Print
cargo build  offers own-way
";
    assert_eq!(out, expected);
    Ok(())
}

fn fish_completes_cargo_xtask() -> Outcome {
    let workspace = with_script("fish")?;
    let mut seen = String::new();
    for line in [
        "xtask db u",
        "cargo xtask db u",
        "cargo +nightly xtask db reb",
        "cargo xtask db wait --for ",
        "cargo xtask db up --allow",
    ] {
        let text = format!("source ./script; complete -C '{line}'");
        let out = output(Command::new("fish").args(["--no-config", "-c", &text]), workspace.path());
        seen.extend([line, "\n", &out, "\n"]);
    }
    insta::assert_snapshot!("completions_fish", seen);
    Ok(())
}

fn every_shell_has_a_script_and_others_are_refused() -> Outcome {
    let workspace = Workspace::new();
    // A file that stops every other command.
    fs::write(workspace.path().join(".env"), "this is no line of it\n").unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "pwsh", "elvish"] {
        let ran = xtask::run(&mut xtask::db(workspace.path(), &["completions", shell])).ok();
        assert!(ran.stdout.contains("rebase") && ran.stdout.contains("cargo"), "{shell}");
    }
    xtask::run(&mut xtask::db(workspace.path(), &["completions"])).exits(2);
    let ran = xtask::run(&mut xtask::db(workspace.path(), &["completions", "csh"])).exits(2);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("powershell"), "{}", ran.stderr);
    Ok(())
}
