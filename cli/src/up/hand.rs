//! Runs by hand: what a command hands over, read once more and recorded like any other run.

use super::daemon::Daemon;
use super::live::{Client, Live, Stage};
use super::talk::{Order, Said};
use super::tell;
use crate::commands::{plan, run};
use crate::failure::Failure;
use jiff::Timestamp;
use nix::unistd::{Uid, User};
use rumpus_controller::host::history::Entry;
use rumpus_controller::host::store::Store;
use rumpus_model::duration;
use rumpus_model::policy::{self, Policy};

/// Longest name of who asks.
const NAME: usize = 64;

/// Begins one, or says why not.
pub(super) fn begin<S: Store>(daemon: &mut Daemon<S>, client: Client, uid: u32, order: &Order) {
    let refused = |said: Said| drop(client.said.send(said));
    if daemon.ending.is_some() {
        return refused(Said::failed("the daemon is ending", "start it again, then run this once more"));
    }
    let policies = match read(order) {
        Ok(policies) => policies,
        Err(failure) => return refused(Said::of_failure(&failure)),
    };
    let (run, seed) = (daemon.new_run(), plan::seed(order.seed.as_deref(), &policies));
    let by = name(uid, &order.by);
    let entry = Entry {
        run: run.clone(),
        policies: policies.iter().map(|policy| policy.name.clone()).collect(),
        armed: true,
        by: Some(by.clone()),
        began: Timestamp::now(),
        ..Entry::default()
    };
    let said = client.said.clone();
    tell::begins_by_hand(&run, &order.file, &by);
    drop(said.send(Said::Taken { run: run.clone() }));
    let live = |number| Live {
        number,
        run,
        seed,
        policies,
        armed: true,
        slot: None,
        client: Some(client),
        stage: Stage::Planning,
        stopped: None,
    };
    if !daemon.begin_by_hand(entry, live) {
        let why = daemon.told.trouble().pop().unwrap_or_else(|| "it cannot be recorded".to_owned());
        drop(said.send(Said::failed(why, "free space on the disk of the daemon's --state-dir, or remount it")));
    }
}

fn read(order: &Order) -> Result<Vec<Policy>, Failure> {
    let mut policies =
        policy::parse(&order.text).map_err(|problems| Failure::Problems { file: order.file.clone(), problems })?;
    if let Some(asked) = &order.duration {
        let asked =
            duration::parse(asked).map_err(|why| Failure::usage(format!("--for: {why}"), "write it like 30s or 5m"))?;
        policies.iter_mut().try_for_each(|policy| run::shorter(policy, asked))?;
    }
    run::expect(&mut policies, order.plan_hash.as_deref())?;
    Ok(policies)
}

/// Returns who asks: as the kernel says, and as the command says for people behind sudo.
fn name(uid: u32, said: &str) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let said: String = said.chars().take(NAME).collect();
    if said.is_empty() || said == user { user } else { format!("{user}, for {said}") }
}
