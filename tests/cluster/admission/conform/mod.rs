//! The API server of the simulator, compared with the real one: the same requests, drawn from a seed, are given to both,
//! and the same has to come of them.
//!
//! ```text
//! script (draws a request, in the model's terms) -> the model: rumpus_sim::api::Api
//!                                               \-> translate -> real: rumpus_cluster, as production writes
//! answers: the same code and object · watches: the same events · after each owner's death: the same is collected
//! ```
//! It runs where no controller does: one would carry the runs out. Halts are left out: one would stop other tests.

mod real;
mod script;
mod told;
mod translate;

use std::collections::BTreeMap;

use rumpus_controller::cluster::core::event::Key;
use rumpus_sim::api::{Answer, Api, Kind, No, Object, Reply, Request};

use self::real::Real;
use self::script::Script;
use self::told::Told;
use self::translate::Translation;
use crate::site::{until, with};

/// How many requests a script has.
const LENGTH: usize = 200;

/// What was asked lately, for whoever reads why it failed, and how much of each.
const SHOWN: usize = 12;
const WIDTH: usize = 300;

#[test]
fn the_models_api_server_conforms_to_the_real_one() {
    let seeds = if std::env::var_os("RUMPUS_SOAK").is_some() { 50 } else { 5 };
    with(async move |site| {
        let mut met = BTreeMap::new();
        for seed in 0..seeds {
            let real = Real::prepare(site, seed).await;
            compare(seed, &real, &mut met).await;
        }
        // A script that never gets there compares nothing.
        for (verb, code) in script::MET {
            assert!(met.contains_key(&(*verb, *code)), "no {verb} was ever answered by {code}: {met:?}");
        }
    });
}

type Met = BTreeMap<(&'static str, &'static str), usize>;

async fn compare(seed: u64, real: &Real, met: &mut Met) {
    let mut model = Api::default();
    let mut script = Script::new(seed, &real.place);
    let mut same = Translation::default();
    let told = Told::begin(real).await;
    let mut events = Vec::new();
    let mut lately = Vec::new();
    for step in 0..LENGTH {
        let request = script.draw(&model);
        let real_request = same.request(&request);
        let answer = model.carry_out(request.clone());
        let found = real.carry_out(real_request).await;
        let asked: String = script::shown(&request).chars().take(WIDTH).collect();
        lately.push(format!("{asked}\n      model {}\n      real  {}", shown(&answer), shown(&found)));
        let lately = || lately.iter().rev().take(SHOWN).rev().map(|line| format!("\n   {line}")).collect::<String>();
        let verb = script::verb(&request);
        if let Err(why) = same.answers(&request, &answer, &found, &model) {
            panic!("seed {seed}, step {step}: {why}{}", lately());
        }
        *met.entry((verb, code(&answer))).or_default() += 1;
        script.learn(&model);
        if model.collect() > 0 {
            *met.entry(("collect", "ok")).or_default() += 1;
            collected(real, &model, &same).await;
        }
        events.extend(model.take_news());
    }
    told.compare(&events, &same, seed).await;
    for (namespace, name, kind) in script.places(&model) {
        let request = Request::Delete { kind, key: Key { namespace, name }, uid: None };
        drop(real.carry_out(request).await);
    }
}

/// Waits until the real server has collected what the model has.
async fn collected(real: &Real, model: &Api, same: &Translation) {
    for kind in [Kind::Run, Kind::Injection] {
        let wanted: Vec<String> = model.list(kind).map(|object| same.uid(object.uid())).collect();
        until("the same runs and injections are collected", async || {
            let Ok(Reply::Many(all)) = real.carry_out(Request::List(kind)).await else { return false };
            let there: Vec<&str> = all.iter().map(Object::uid).collect();
            there == wanted
        })
        .await;
    }
}

fn code(answer: &Answer) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(no) => no.name(),
    }
}

fn shown(answer: &Answer) -> String {
    match answer {
        Ok(Reply::One(object)) => format!("v{}", object.meta().resource_version.as_deref().unwrap_or("?")),
        Ok(Reply::Many(all)) => format!("{} objects", all.len()),
        Ok(Reply::Done) => "done".into(),
        Err(no @ (No::Busy | No::Conflict | No::Exists | No::Invalid | No::NotFound | No::Server | No::Timeout)) => {
            no.name().into()
        }
    }
}
