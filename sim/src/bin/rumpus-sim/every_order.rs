//! The smallest worlds, in every order.

use rumpus_sim::exhaust::{Found, exhaust, retrace};
use rumpus_sim::plant::Plant;
use rumpus_sim::schedule::{At, Deed, Schedule};
use serde_json::{Value, json};
use std::io::{self, Stdout, Write};
use std::process::ExitCode;
use std::time::Instant;

/// One process may die, once.
const DEATHS: u8 = 1;

/// Runs each small world; `most` worlds of each.
pub(crate) fn run(out: &mut Stdout, plant: Option<Plant>, most: u64, jobs: usize) -> io::Result<ExitCode> {
    writeln!(out, "| world | states | worlds | ends | choices, at most | left | broken | seconds |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut good = true;
    for (name, schedule) in worlds() {
        let began = Instant::now();
        let found = exhaust(&schedule, plant, DEATHS, most, jobs);
        let broken = found.broken.as_ref().map_or("nothing", |(broken, _)| broken);
        let seconds = began.elapsed().as_secs();
        let Found { states, worlds, ends, deepest, left, .. } = &found;
        writeln!(out, "| {name} | {states} | {worlds} | {ends} | {deepest} | {left} | {broken} | {seconds} |")?;
        good &= found.broken.is_none() && found.left == 0;
        if let Some((_, path)) = &found.broken {
            retrace(&schedule, plant, DEATHS, path, true);
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Two machines, two injections, one run at a time: of one run, and of two.
fn worlds() -> [(&'static str, Schedule); 2] {
    let small = |deeds: Vec<At<Deed>>| Schedule {
        seed: 1,
        seconds: 8,
        rest: Some(22),
        nodes: 2,
        budget: 1,
        controllers: vec![0],
        deeds,
        ..Schedule::default()
    };
    let run = |at: u64, name: &str, pick: Value| {
        let spec = json!({"mode": "Armed", "experiment": {
            "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
            "pick": pick,
            "faults": [{"partition": {"direction": "Both"}}],
            "duration": "1s",
            "steadyState": {"none": {"reason": "a simulation"}},
        }});
        At { at, what: Deed::Run { name: name.into(), spec, invalid: false } }
    };
    [
        ("one run on two machines", small(vec![run(3000, "both", json!({"all": true}))])),
        (
            "two runs, one at a time",
            small(vec![run(3000, "first", json!({"count": 1})), run(3000, "second", json!({"count": 1}))]),
        ),
    ]
}
