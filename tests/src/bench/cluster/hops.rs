//! One run's calls in the API server's audit log: what follows what between the request and the effect.
//!
//! A call that is not in the log is an error: no hop is ever guessed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::audit::Call;
use super::pair::Round;
use crate::bench::stats::{Samples, show};
use crate::bench::table::Row;

/// When the API server had done each call of a run, since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hops {
    stored: Duration,
    recorded: Duration,
    planned: Duration,
    armed: Duration,
    in_effect: Duration,
    running: Duration,
    pub(super) gone: Duration,
}

impl Hops {
    pub(super) fn of(calls: &[Call], round: &Round) -> Result<Self> {
        let run = |verb: &str, resource: &str, state: Option<&str>| {
            let mut all = calls.iter().filter(|call| call.name == round.name);
            let found =
                all.find(|call| is(call, verb, resource) && state.is_none_or(|s| call.sent["status"]["state"] == s));
            found.map(|call| call.done).with_context(|| missing(&round.name, verb, resource, state))
        };
        let created =
            |call: &&Call| is(call, "create", "chaosinjections") && call.sent["spec"]["run"]["name"] == *round.name;
        let created =
            calls.iter().find(created).with_context(|| missing(&round.name, "create", "chaosinjections", None))?;
        let injection = |verb: &str, resource: &str, at: [&str; 2], value: &str| {
            let mut all = calls.iter().filter(|call| call.name == created.name && is(call, verb, resource));
            let found = all.find(|call| call.sent[at[0]][at[1]] == value);
            found.map(|call| call.done).with_context(|| missing(&created.name, verb, resource, Some(value)))
        };
        let ends = calls.iter().filter(|call| call.verb == "delete").filter(|call| {
            let (run, share) = (call.resource == "chaosruns", call.resource == "chaosinjections");
            (run && call.name == round.name) || (share && call.name == created.name)
        });
        // The same one is deleted by whoever is first; who comes later finds nothing.
        let gone = ends.map(|call| call.done).max().with_context(|| missing(&round.name, "delete", "", None))?;
        let hops = Self {
            stored: run("create", "chaosruns", None)?,
            recorded: run("patch", "chaosruns/status", Some("Injecting"))?,
            planned: created.done,
            armed: injection("patch", "chaosinjections", ["spec", "phase"], "Armed")?,
            in_effect: injection("patch", "chaosinjections/status", ["status", "state"], "InEffect")?,
            running: run("patch", "chaosruns/status", Some("Running"))?,
            gone,
        };
        ensure!(hops.stored >= round.created.wall, "the clock was set back during run {}", round.name);
        Ok(hops)
    }

    pub(super) fn rows(hops: &[Self], rounds: &[Round]) -> Vec<Row> {
        let row = |what: &str, from: fn(&Self) -> Duration, to: fn(&Self) -> Duration| {
            let samples: Samples = hops.iter().map(|hops| to(hops).saturating_sub(from(hops))).collect();
            Row::new(what).times(&samples)
        };
        let of = |to: fn(&Self) -> Duration| -> Samples {
            hops.iter().zip(rounds).map(|(hops, round)| to(hops).saturating_sub(round.created.wall)).collect()
        };
        let felt = hops.iter().zip(rounds).map(|(hops, round)| {
            let armed = hops.armed.saturating_sub(round.created.wall);
            round.first_lost().saturating_sub(armed)
        });
        let felt: Samples = felt.collect();
        let share = |samples: &Samples| {
            format!("Chaos Mesh: CR says so after 420 ms; ours {} after the POST", show(samples.median()))
        };
        vec![
            Row::new("hop: POST of the run → stored (each hop ends when the API server has answered)")
                .times(&of(|h| h.stored)),
            row("hop: run stored → Injection created (Planned)", |h| h.stored, |h| h.planned),
            row("… beside it: run stored → its plan on record (status Injecting)", |h| h.stored, |h| h.recorded),
            row("hop: both → Injection Armed", |h| h.planned.max(h.recorded), |h| h.armed),
            row("hop: Armed → the agent's status InEffect, read back from the kernel", |h| h.armed, |h| h.in_effect),
            Row::new("… within it: Armed → first lost packet").times(&felt),
            row("hop: InEffect → run status Running", |h| h.in_effect, |h| h.running).peers(share(&of(|h| h.running))),
        ]
    }
}

fn is(call: &Call, verb: &str, resource: &str) -> bool {
    call.verb == verb && call.resource == resource
}

fn missing(name: &str, verb: &str, resource: &str, state: Option<&str>) -> String {
    format!("the audit log has no {verb} of {resource} {name} {}", state.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cluster::audit::Moment;
    use serde_json::{Value, json};

    fn call(at: u64, verb: &str, resource: &str, name: &str, sent: Value) -> Call {
        let [verb, resource, name] = [verb, resource, name].map(str::to_owned);
        Call {
            user: String::new(),
            verb,
            resource,
            namespace: String::new(),
            name,
            done: Duration::from_millis(at),
            sent,
        }
    }

    fn calls() -> Vec<Call> {
        vec![
            call(11, "create", "chaosruns", "r", json!({})),
            call(12, "create", "chaosinjections", "r-n", json!({ "spec": { "run": { "name": "r" } } })),
            call(13, "patch", "chaosruns/status", "r", json!({ "status": { "state": "Injecting" } })),
            call(14, "patch", "chaosinjections", "r-n", json!({ "spec": { "phase": "Armed" } })),
            call(15, "patch", "chaosinjections/status", "r-n", json!({ "status": { "state": "InEffect" } })),
            call(16, "patch", "chaosruns/status", "r", json!({ "status": { "state": "Running" } })),
            call(17, "delete", "chaosruns", "r", json!({})),
            call(18, "delete", "chaosinjections", "r-n", json!({})),
        ]
    }

    fn round() -> Round {
        let at = Moment { boot: Duration::ZERO, wall: Duration::from_millis(10) };
        let none = [Duration::ZERO; 2];
        Round { name: "r".into(), created: at, deleted: at, lost: none, good: none, gaps: Vec::new() }
    }

    #[test]
    fn every_hop_is_found() {
        let hops = Hops::of(&calls(), &round()).unwrap();
        assert_eq!((hops.armed, hops.gone), (Duration::from_millis(14), Duration::from_millis(18)));
    }

    #[test]
    fn a_hop_that_is_not_in_the_log_is_no_number() {
        for left_out in 0..6 {
            let mut calls = calls();
            calls.remove(left_out);
            assert!(Hops::of(&calls, &round()).is_err(), "{left_out}");
        }
    }
}
