//! `db completions`: what makes a shell complete these commands.

use std::io::{ErrorKind, Write, stdout};

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::cli::Xtask;
use crate::failure::{Code, Failure};

const HELP: &str = "\
Writes a script for `xtask` and `cargo xtask`. What completes the rest of cargo goes on doing so. Write it to a file once, and again after an \
update: a shell that runs cargo each time it starts would start slowly.

bash        cargo xtask db completions bash > ~/.xtask.bash
            in ~/.bashrc, at its end: source ~/.xtask.bash
zsh         cargo xtask db completions zsh > ~/.xtask.zsh
            in ~/.zshrc, below compinit: source ~/.xtask.zsh
fish        cargo xtask db completions fish > ~/.config/fish/conf.d/xtask.fish
            it is read from there
PowerShell  cargo xtask db completions powershell > ~/.xtask.ps1
            in the file that $PROFILE names: . ~/.xtask.ps1
elvish      cargo xtask db completions elvish > ~/.config/elvish/lib/xtask.elv
            in ~/.config/elvish/rc.elv: use xtask";

/// Print a script that makes a shell complete these commands
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
    Elvish,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match stdout().write_all(script(args.shell).as_bytes()) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Failed, format!("the script cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// What clap makes for `xtask`, and below it what hands `cargo xtask` over to that.
fn script(kind: Kind) -> String {
    let (shell, of_cargo) = match kind {
        Kind::Bash => (Shell::Bash, include_str!("completions/cargo.bash")),
        Kind::Zsh => (Shell::Zsh, include_str!("completions/cargo.zsh")),
        Kind::Fish => (Shell::Fish, include_str!("completions/cargo.fish")),
        Kind::PowerShell => (Shell::PowerShell, include_str!("completions/cargo.ps1")),
        Kind::Elvish => (Shell::Elvish, include_str!("completions/cargo.elv")),
    };
    let mut bytes = Vec::new();
    generate(shell, &mut Xtask::command(), "xtask", &mut bytes);
    let of_xtask = String::from_utf8_lossy(&bytes);
    let of_xtask = match kind {
        // There is no asking for a completer, so this one gets a name.
        Kind::PowerShell => of_xtask.replacen(POWERSHELL, NAMED, 1) + REGISTERED,
        _ => of_xtask.into_owned(),
    };
    format!("{of_xtask}{of_cargo}")
}

/// How clap's script for PowerShell begins what it does.
const POWERSHELL: &str = "Register-ArgumentCompleter -Native -CommandName 'xtask' -ScriptBlock {";
const NAMED: &str = "$global:XtaskCompleter = {";
const REGISTERED: &str =
    "\nRegister-ArgumentCompleter -Native -CommandName 'xtask' -ScriptBlock $global:XtaskCompleter\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_every_command_and_what_hands_cargo_over() {
        for kind in Kind::value_variants() {
            let script = script(*kind);
            for command in Xtask::command().find_subcommand("db").into_iter().flat_map(clap::Command::get_subcommands) {
                assert!(script.contains(command.get_name()), "{} for {kind:?}", command.get_name());
            }
            assert!(script.contains("`cargo xtask …`") || *kind == Kind::Zsh, "{kind:?}");
        }
    }

    #[test]
    fn powershells_completer_has_a_name() {
        let script = script(Kind::PowerShell);
        assert_eq!(script.matches("$global:XtaskCompleter").count(), 3);
        assert_eq!(script.matches("Register-ArgumentCompleter").count(), 2);
    }
}
