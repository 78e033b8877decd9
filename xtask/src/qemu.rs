//! Runs a program of your choice in the guest, by hand.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::guest::{Program, boot};

/// Flags of `cargo xtask qemu`.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Static binary of this machine to run as /t; without it ARGS start with a program of the guest
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// Kernel abilities to leave out of the image: netem, nft, nfqueue
    #[arg(long, value_delimiter = ',', value_name = "ABILITY")]
    without: Vec<String>,
    /// Kill the guest after this many seconds
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// What the guest runs, for example `-- /bin/sh -c 'lsmod'`
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Boots the guest and passes the program's exit code on.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let program = Program { binary: flags.bin, args: flags.args, without: flags.without };
    let ended = boot::boot(&program, Duration::from_secs(flags.limit))?;
    for line in &ended.results {
        println!("{line}");
    }
    let code = u8::try_from(ended.code).context("the program in the guest ended with an odd exit code")?;
    Ok(ExitCode::from(code))
}
