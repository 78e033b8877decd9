//! Measures what the goals are about, beside peers in the same run. Nothing here passes or fails by a time.
//!
//! ```text
//! supervise (a process for the run, cleans up behind it) -> sections, one file each -> table (Markdown)
//!                                                             |
//!                                     site (labs), host (an agent in this process), peers by argv
//! ```
//! A section that cannot measure says why in its row and makes the run fail; it never prints a number instead.

mod bystander;
pub mod cluster;
mod delay;
mod halt;
mod host;
mod latency;
mod machine;
mod memory;
mod partition;
mod path;
mod peers;
mod site;
mod stats;
mod stream;
mod supervise;
mod table;
mod toxiproxy;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use site::Site;
use table::{Row, Table};

/// What to measure with.
#[derive(Debug, Args)]
pub struct Options {
    /// The server of Toxiproxy, the peer on the packet path
    #[arg(long, value_name = "PATH")]
    toxiproxy: PathBuf,
    /// Also write the table here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure only sections whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Name part of the labs; the supervisor sets it
    #[arg(long, hide = true)]
    id: Option<String>,
}

/// A part of the table.
type Section = fn(&Site, &Path) -> Result<Vec<Row>>;

/// The sections, in the order of the table.
const SECTIONS: &[(&str, Section)] = &[
    ("latency", latency::measure),
    ("partition", partition::measure),
    ("packet path", path::measure),
    ("bystander", bystander::measure),
    ("halt", halt::measure),
    ("memory", memory::measure),
];

/// Measures everything and prints the table; false if something could not be measured.
///
/// # Errors
/// If the run cannot be started, cleaned up or written down.
pub fn run(options: &Options) -> Result<bool> {
    match &options.id {
        None => supervise::run(options),
        Some(id) => sections(options, id),
    }
}

fn sections(options: &Options, id: &str) -> Result<bool> {
    let wanted = |name: &str| options.only.as_deref().is_none_or(|text| name.contains(text));
    let site = Site::new(id);
    let (mut table, mut whole) = (Table::begin("peers in the same run")?, true);
    for (name, measure) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        supervise::progress(&format!("measures {name}"));
        match measure(&site, &options.toxiproxy) {
            Ok(rows) => table.add(rows),
            Err(error) => {
                supervise::progress(&format!("{name}: {error:#}"));
                whole = false;
                table.add(vec![Row::new(*name).value(format!("could not be measured: {error:#}"))]);
            }
        }
    }
    table.finish(options.out.as_deref())?;
    Ok(whole)
}
