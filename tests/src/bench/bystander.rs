//! A flow to a peer that no fault names, while faults to its neighbour come and go.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use super::site::Site;
use super::table::Row;
use crate::kernel::lab::{Lab, address};

/// 8 s of 1 kHz.
const DATAGRAMS: u32 = 8_000;
const GAP: Duration = Duration::from_millis(1);

/// How long an answer may take to count.
const PATIENCE: Duration = Duration::from_secs(1);

const FAULTS: &[&[&str]] = &[
    &["partition", "--direction", "Both"],
    &["latency", "--delay", "20ms", "--direction", "Both"],
    &["loss", "--loss", "50", "--direction", "Both"],
];

pub(super) fn measure(site: &Site, _toxiproxy: &Path) -> Result<Vec<Row>> {
    let lab = site.lab(0)?;
    let quiet = {
        let echo = lab.peer().udp_echo(address::OTHER_V4)?;
        lab.target().loss(echo.address(), DATAGRAMS / 4, GAP, PATIENCE)?
    };
    let echo = lab.peer().udp_echo(address::OTHER_V4)?;
    let (flow, faults) = thread::scope(|scope| {
        let flow = scope.spawn(|| lab.target().loss(echo.address(), DATAGRAMS, GAP, PATIENCE));
        let mut faults = 0_usize;
        while !flow.is_finished() {
            faults += one_each(&lab)?;
        }
        let flow = flow.join().map_err(|_panic| anyhow!("the flow panicked"))??;
        anyhow::Ok((flow, faults))
    })?;
    drop(echo);
    site.remove(lab, 0)?;
    let lost = flow.sent - flow.answered;
    let what = format!("1 kHz UDP flow to an untouched peer, lost while {faults} faults beside it begin and end");
    let peers = format!("no fault at all: {} of {} lost", quiet.sent - quiet.answered, quiet.sent);
    Ok(vec![Row::new(what).value(format!("{lost} of {}", flow.sent)).count(1).peers(peers).goal("0")])
}

/// Runs one fault of each kind on the flow's neighbour, and sees that each was in effect.
fn one_each(lab: &Lab) -> Result<usize> {
    let peer = address::PEER_V4.to_string();
    for words in FAULTS {
        let (name, flags) = words.split_first().ok_or_else(|| anyhow!("a fault without a name"))?;
        let ended = lab.fault(name, &["--peer", &peer, "--for", "1s"]).and(flags).run()?;
        let said = ended.attestations()?;
        let effective = said.iter().any(|one| !one["inEffect"].is_null() && !one["clean"].is_null());
        ensure!(effective, "{name} was not in effect, or is not clean:\n{}{}", ended.err, ended.out);
    }
    Ok(FAULTS.len())
}
