//! One schedule again, and made as small as it can be.

use rumpus_sim::plant::Plant;
use rumpus_sim::schedule::Schedule;
use rumpus_sim::shrink::{name, shrink};
use rumpus_sim::world::{self, End};
use std::fs;
use std::io::{self, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many worlds are run to make one smaller.
const MOST: usize = 5000;

/// Runs the schedule of a file; a fault is put in as it says, or as `plant` says.
pub(crate) fn again(
    out: &mut Stdout,
    file: &Path,
    plant: Option<Plant>,
    smaller: bool,
    to: Option<&Path>,
) -> io::Result<ExitCode> {
    let text = fs::read_to_string(file)?;
    let read = serde_json::from_str::<Schedule>(&text);
    let schedule = read.map_err(|e| io::Error::other(format!("{} is no schedule: {e}", file.display())))?;
    let plant = plant.or(schedule.plant);
    let end = world::replay(&schedule, !smaller, plant);
    for unmet in &end.unmet {
        writeln!(out, "does not apply any more: {unmet}")?;
    }
    match &end.broken {
        Some(broken) => writeln!(out, "{} broke {broken}", file.display())?,
        None => writeln!(out, "{}: everything holds", file.display())?,
    }
    let as_written = end.broken.as_deref().map(name) == schedule.breaks.as_deref().filter(|_| plant.is_some());
    if smaller && end.broken.is_some() {
        put(out, to.unwrap_or(file), &end, plant, true)?;
    }
    Ok(if as_written && end.unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the schedule that a failing seed came to, and says how to go on.
pub(crate) fn written(
    out: &mut Stdout,
    seed: u64,
    end: &End,
    plant: Option<Plant>,
    smaller: bool,
    to: Option<&Path>,
) -> io::Result<()> {
    let file = to.map_or_else(|| PathBuf::from(format!("target/sim/seed-{seed}.json")), Path::to_path_buf);
    put(out, &file, end, plant, smaller)?;
    writeln!(out, "again, event by event: cargo xtask sim --replay {}", file.display())?;
    if !smaller {
        writeln!(out, "as small as it can be: cargo xtask sim --replay {} --shrink", file.display())?;
    }
    Ok(())
}

fn parts(s: &Schedule) -> String {
    format!("{} deeds, {} troubles, {} turns", s.deeds.len(), s.troubles.len(), s.turns.len())
}

fn put(out: &mut Stdout, file: &Path, end: &End, plant: Option<Plant>, smaller: bool) -> io::Result<()> {
    let mut schedule = end.schedule.clone();
    if smaller {
        let is_seen = out.is_terminal();
        let mut told = |s: &Schedule| {
            if is_seen {
                drop(write!(out, "\r{}    ", parts(s)));
            }
        };
        schedule = shrink(end, plant, MOST, &mut told);
        writeln!(out, "{}{}", if is_seen { "\r" } else { "" }, parts(&schedule))?;
    }
    schedule.plant = plant;
    schedule.breaks = end.broken.as_deref().map(|b| name(b).to_owned());
    if let Some(dir) = file.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(dir)?;
    }
    fs::write(file, schedule.to_text()?)
}
