//! A few seeds, and what is made of them: schedules, smaller schedules, every order of a small world.

use rumpus_sim::exhaust::{exhaust, retrace};
use rumpus_sim::plant::Plant;
use rumpus_sim::schedule::{At, Deed, Schedule};
use rumpus_sim::shrink::{name, shrink};
use rumpus_sim::world::{End, replay, run};
use std::time::Duration;

const TIME: Duration = Duration::from_secs(240);

fn told(seed: u64, end: &End) -> String {
    format!("seed {seed}: {:?}\n{}", end.broken, end.lines.join("\n"))
}

#[test]
fn the_first_seeds_hold_and_carry_faults_out() {
    let mut faults = 0;
    for seed in 0..20 {
        let end = run(seed, TIME, false, None);
        assert_eq!(end.broken, None, "{}", told(seed, &end));
        faults += end.faults;
    }
    assert!(faults > 100, "{faults}");
}

#[test]
fn a_seed_is_the_same_twice_and_so_is_the_schedule_that_it_comes_to() {
    for seed in [1, 2, 3, 4, 5, 6] {
        let once = run(seed, TIME, false, None);
        assert_eq!(once.hash, run(seed, TIME, false, None).hash, "seed {seed}");
        let written = serde_json::from_str(&once.schedule.to_text().unwrap()).unwrap();
        let again = replay(&written, false, None);
        assert_eq!((again.hash, again.unmet.len()), (once.hash, 0), "seed {seed}: {:?}", again.unmet);
    }
}

#[test]
fn what_is_shrunk_breaks_the_same_with_less() {
    let plant = Some(Plant::NoSweep);
    let broken = (0..200).map(|seed| run(seed, TIME, false, plant)).find(|end| end.broken.is_some()).unwrap();
    let small = shrink(&broken, plant, 2000, &mut |_| {});
    let end = replay(&small, false, plant);
    assert_eq!(end.broken.as_deref().map(name), broken.broken.as_deref().map(name));
    let count = |s: &Schedule| s.deeds.len() + s.troubles.len() + s.turns.len();
    assert!(count(&small) <= 6 && count(&small) < count(&broken.schedule), "{}", small.to_text().unwrap());
}

#[test]
fn every_order_of_a_small_world_finds_what_is_planted() {
    let spec = serde_json::json!({"mode": "Armed", "experiment": {
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
        "pick": {"all": true},
        "faults": [{"partition": {"direction": "Both"}}],
        "duration": "1s",
        "steadyState": {"none": {"reason": "a simulation"}},
    }});
    let schedule = Schedule {
        seed: 1,
        seconds: 8,
        rest: Some(22),
        nodes: 1,
        budget: 1,
        controllers: vec![0],
        deeds: vec![At { at: 3000, what: Deed::Run { name: "one".into(), spec, invalid: false } }],
        ..Schedule::default()
    };
    let found = exhaust(&schedule, Some(Plant::NoJournal), 1, 2000, 1);
    let (broken, path) = found.broken.unwrap();
    assert_eq!(retrace(&schedule, Some(Plant::NoJournal), 1, &path, false), Some(broken));
    let without = exhaust(&schedule, None, 1, 200, 1);
    assert!(without.broken.is_none() && without.states > 100, "{without:?}");
}
