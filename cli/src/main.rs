//! See `rumpus_cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rumpus_cli::main(std::env::args_os())
}
