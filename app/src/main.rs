//! The example backend's program: see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main(app::migrations)
}
