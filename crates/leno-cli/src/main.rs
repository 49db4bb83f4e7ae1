//! `leno`.

use std::process::ExitCode;

fn main() -> ExitCode {
    leno_cli::cli::main()
}
