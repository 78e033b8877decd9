//! What an agent weighs: with one fault, and with a hundred.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::halt::Crowd;
use super::path::megabytes;
use super::site::{Site, status_kb};
use super::table::Row;
use crate::kernel::command::Order;

/// Faults are renewed every 3 s; after this, each has been renewed.
const SETTLED: Duration = Duration::from_secs(4);

pub(super) fn measure(site: &Site, _toxiproxy: &Path) -> Result<Vec<Row>> {
    let crowd = Crowd::gather(site)?;
    let first = crowd.labs.first().context("no lab")?;
    let few = weigh(first.fault("partition", &["--direction", "Both", "--for", "10m", "--peer", "10.77.0.2"]), 1)?;
    let many = weigh(crowd.partition()?, crowd.faults())?;
    let faults = crowd.faults();
    crowd.scatter(site)?;
    Ok(vec![
        row("resident memory of `rumpus run` (planner and agent in one process) with 1 fault", few)
            .goal("idle ≤ 12 MB"),
        row(&format!("the same with {faults} faults"), many).goal("≤ 20 MB"),
    ])
}

/// Returns the resident memory, and the part of it that is not the program's own file, in kB.
fn weigh(order: Order, faults: usize) -> Result<(u64, u64)> {
    let run = order.in_effect(faults)?;
    thread::sleep(SETTLED);
    let read = |field| status_kb(run.pid(), field).with_context(|| format!("read {field} of a run"));
    let weight = (read("VmRSS")?, read("RssAnon")?);
    run.interrupt()?;
    Ok(weight)
}

fn row(what: &str, (all, anonymous): (u64, u64)) -> Row {
    let value = format!("{} ({} without the program's file)", megabytes(all), megabytes(anonymous));
    Row::new(what).value(value).count(1)
}
