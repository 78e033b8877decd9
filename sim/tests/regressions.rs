//! Schedules that once showed something: each file of `tests/sim/regressions/` is run as it is written.
//!
//! One with a `plant` breaks what it says where that fault is put in, and nothing without it. One without has to hold. A
//! schedule whose decisions are not met any more proves nothing, and fails.

use clap::ValueEnum;
use rumpus_sim::plant::Plant;
use rumpus_sim::schedule::Schedule;
use rumpus_sim::shrink::name;
use rumpus_sim::world;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

fn schedules() -> io::Result<Vec<(String, Schedule)>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/sim/regressions");
    let mut files = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, serde_json::from_str(&fs::read_to_string(&file)?)?))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn what_was_broken_once_holds_and_what_is_planted_is_found() {
    let all = schedules().unwrap();
    assert!(!all.is_empty());
    let mut wrong = Vec::new();
    for (file, schedule) in &all {
        let end = world::replay(schedule, false, schedule.plant);
        wrong.extend(end.unmet.iter().map(|unmet| format!("{file} does not apply any more: {unmet}")));
        if end.broken.as_deref().map(name) != schedule.breaks.as_deref().filter(|_| schedule.plant.is_some()) {
            wrong.push(format!("{file} breaks {:?}, not {:?}", end.broken, schedule.breaks));
        }
        let without = world::replay(schedule, false, None).broken;
        wrong.extend(without.map(|broken| format!("{file} breaks {broken} without its plant")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn there_is_a_schedule_for_each_planted_fault() {
    let planted: BTreeSet<String> =
        schedules().unwrap().iter().filter_map(|(_, s)| Some(format!("{:?}", s.plant?))).collect();
    let missing: Vec<&Plant> =
        Plant::value_variants().iter().filter(|plant| !planted.contains(&format!("{plant:?}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
