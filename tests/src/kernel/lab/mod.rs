//! The lab of one case: a target and a peer namespace with a cable between them, and a state folder.
//!
//! ```text
//!  rt-…-t (target)                         rt-…-p (peer)
//!  eth0 10.77.0.1/24, fd77::1/64  <------>  eth0 10.77.0.2/24 10.77.0.3/24, fd77::2/64 fd77::3/64
//! ```
//! All names carry the runner's pid and the case's number, so that a runner can remove what a case
//! that died left behind, and labs never meet.

mod cable;
mod flow;
mod namespace;
mod normalise;
mod orphans;
mod snapshot;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use flow::{Arrival, Arrivals, Flow, Talk};
pub use namespace::{Namespace, Side};
pub use orphans::sweep_orphans;
pub use snapshot::Snapshot;
pub use traffic::{Connect, Echo, Loss};

use super::case::Settings;

/// Addresses of the lab.
pub mod address {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    /// The target's.
    pub const TARGET_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
    /// The first peer's.
    pub const PEER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
    /// The second peer's, on the same interface as the first one's.
    pub const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 3));
    /// The target's.
    pub const TARGET_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
    /// The first peer's.
    pub const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));
    /// The second peer's, on the same interface as the first one's.
    pub const OTHER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 3));
}

/// The interface at either end of the cable.
pub const DEVICE: &str = "eth0";

/// Where the state folders and the outputs of cases are.
const OUTPUTS: &str = "/tmp";

/// The lab of one case.
#[derive(Debug)]
pub struct Lab {
    settings: Settings,
    state: PathBuf,
    target: Namespace,
    peer: Namespace,
}

impl Lab {
    /// Makes the lab `id`; what exists of it after a failure is removed.
    ///
    /// # Errors
    /// If the kernel refuses a namespace, the cable or an address, or the folder exists already.
    pub fn new(id: &str, settings: Settings) -> Result<Self> {
        build(id, settings).inspect_err(|_| {
            // The first error is the one to report; what the sweep could not remove, the runner finds.
            drop(sweep(id));
        })
    }

    /// Returns what the run asks of the case.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the folder for the state of agents under test; it is empty and goes with the lab.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// Returns one of the two namespaces.
    #[must_use]
    pub fn side(&self, side: Side) -> &Namespace {
        match side {
            Side::Target => &self.target,
            Side::Peer => &self.peer,
        }
    }

    /// Returns the namespace that faults are done to.
    #[must_use]
    pub fn target(&self) -> &Namespace {
        &self.target
    }

    /// Returns the namespace at the other end of the cable.
    #[must_use]
    pub fn peer(&self) -> &Namespace {
        &self.peer
    }

    /// Returns what the tools say about both namespaces, less what moves by itself.
    ///
    /// # Errors
    /// If a tool cannot be run or fails.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(&[&self.target, &self.peer])
    }

    /// Fails with the difference if the lab is not as it was.
    ///
    /// # Errors
    /// If something differs, or a tool cannot be run.
    pub fn expect_unchanged(&self, before: &Snapshot) -> Result<()> {
        let difference = before.difference(&self.snapshot()?);
        if difference.is_empty() {
            return Ok(());
        }
        bail!("the lab differs from what it was:\n{difference}")
    }
}

fn build(id: &str, settings: Settings) -> Result<Lab> {
    let state = state_path(id);
    fs::create_dir(&state).with_context(|| format!("make {}", state.display()))?;
    let target = Namespace::create(&name(id, Side::Target))?;
    let peer = Namespace::create(&name(id, Side::Peer))?;
    cable::lay(&target, &peer)?;
    Ok(Lab { settings, state, target, peer })
}

/// Removes everything that carries the lab's names, whether its case ended or died, and returns
/// what could not be removed.
///
/// # Errors
/// With every removal that failed, in one text.
pub fn sweep(id: &str) -> Result<()> {
    let mut failed = Vec::new();
    for side in [Side::Target, Side::Peer] {
        if let Err(error) = namespace::remove(&name(id, side)) {
            failed.push(format!("{error:#}"));
        }
    }
    let state = state_path(id);
    if state.exists()
        && let Err(error) = fs::remove_dir_all(&state)
    {
        failed.push(format!("remove {}: {error}", state.display()));
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}

fn name(id: &str, side: Side) -> String {
    format!("rt-{id}-{}", side.letter())
}

fn state_path(id: &str) -> PathBuf {
    Path::new(OUTPUTS).join(format!("rumpus-test-{id}"))
}

/// Returns the file that takes what a case prints.
#[must_use]
pub fn output_path(id: &str) -> PathBuf {
    state_path(id).with_extension("output")
}
