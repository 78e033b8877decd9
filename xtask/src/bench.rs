//! Measures, with a peer in the same run. Nothing here passes or fails by a time.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{command, run as run_program};
use crate::tools::MUSL;
use crate::{place, testbed};

/// The peer: a proxy in user space that delays as well.
const TOXIPROXY: &str = "2.12.0";

/// Builds the peer and the release binary, and runs the latter's `bench`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let peer = toxiproxy()?;
    ipset()?;
    run_program(command(binary()?, ["bench", "--toxiproxy"]).arg(peer).args(args))
}

/// Runs the release binary's `cluster-bench` on the testbed.
pub(crate) fn cluster(args: &[String]) -> Result<()> {
    let binary = binary()?;
    testbed::on(|access| {
        let mut bench = command(binary, ["cluster-bench"]);
        access.hand_to(&mut bench);
        run_program(bench.args(args))
    })
}

/// Builds the release binary and returns it.
fn binary() -> Result<PathBuf> {
    // A release build refuses failpoints, so it goes without the crate's default features.
    let mut build = vec!["build", "--release", "--no-default-features", "--package", "rumpus-tests"];
    build.extend(["--bin", "rumpus-ktest", "--target", MUSL]);
    run_program(command("cargo", build).current_dir(place::root()?))?;
    Ok(place::target()?.join(MUSL).join("release/rumpus-ktest"))
}

/// Installs `ipset`, which the replayed sequence of the common tool starts once for each address.
fn ipset() -> Result<()> {
    let here = command("ipset", ["--version"]).output().is_ok_and(|output| output.status.success());
    if here {
        return Ok(());
    }
    println!("   installs ipset: partitions are compared with what it takes");
    run_program(&mut command("apt-get", ["-q", "update"]))?;
    let options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=600", "install", "--no-install-recommends", "ipset"];
    run_program(command("apt-get", options).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Returns the peer's server from the cache, building it from its Go module first if need be.
fn toxiproxy() -> Result<PathBuf> {
    let folder = place::cache(&format!("toxiproxy-{TOXIPROXY}"))?;
    let program = folder.join("server");
    if program.is_file() {
        return Ok(program);
    }
    println!("   builds toxiproxy {TOXIPROXY} from its Go module: the peer that the bench compares with");
    let module = format!("github.com/Shopify/toxiproxy/v2/cmd/server@v{TOXIPROXY}");
    let building = folder.join("build");
    fs::create_dir_all(&building).with_context(|| format!("make {}", building.display()))?;
    run_program(
        command("go", ["install", &module]).env("GOBIN", &building).env("CGO_ENABLED", "0").current_dir(&folder),
    )?;
    fs::rename(building.join("server"), &program).context("move the built server into its place")?;
    Ok(program)
}
