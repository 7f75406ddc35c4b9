//! `cargo xtask`.

use std::process::ExitCode;

fn main() -> ExitCode {
    stairwell_xtask::main()
}
