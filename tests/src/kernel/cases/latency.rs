//! Latency: what both engines have to show. Each has a file of its own that lists its cases.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::how::{DELAY, How, nothing_left, sent_to, spared};
use crate::kernel::lab::address::{OTHER_V4, PEER_V4, PEER_V6};
use crate::kernel::lab::{Flow, Lab};
use crate::kernel::matrix::Kernel;

/// How much later than asked the fastest of several may be. Generous: no speed is asserted.
fn slack(lab: &Lab) -> Duration {
    match lab.settings().kernel {
        Kernel::Host => Duration::from_millis(50),
        Kernel::Qemu => Duration::from_millis(100),
    }
}

/// Round trips grow by the delay for one way and by twice as much for both.
pub(super) fn round_trips_grow_by_what_was_asked(lab: &Lab, how: &How) -> Result<()> {
    // Under emulation each run counts; one way is what the cases of directions try there.
    let directions: &[(&str, u32)] = match lab.settings().kernel {
        Kernel::Host => &[("Egress", 1), ("Ingress", 1), ("Both", 2)],
        Kernel::Qemu => &[("Both", 2)],
    };
    for (direction, ways) in directions.iter().copied() {
        let echoes = [lab.peer().udp_echo(PEER_V4)?, lab.peer().udp_echo(PEER_V6)?];
        let other = lab.peer().udp_echo(OTHER_V4)?;
        let words = ["--direction", direction, "--peer", "10.77.0.2", "--peer", "fd77::2"];
        let ended = how.under(lab, &words, || {
            for echo in &echoes {
                let trips = lab.target().round_trips(echo.address(), 5, lab.patience())?;
                let trips: Vec<Duration> = trips.into_iter().flatten().collect();
                ensure!(trips.len() == 5, "{direction}: answers were lost: {trips:?}");
                let shortest = trips.iter().min().copied().unwrap_or_default();
                let asked = DELAY * ways;
                let bounds = asked.saturating_sub(Duration::from_millis(1))..asked + slack(lab);
                ensure!(bounds.contains(&shortest), "{direction}, {}: {trips:?}", echo.address());
            }
            let trips = lab.target().round_trips(other.address(), 5, lab.patience())?;
            let shortest = trips.into_iter().flatten().min().context("another peer does not answer")?;
            ensure!(shortest < DELAY / 2, "another peer answers after {shortest:?}");
            Ok(())
        })?;
        let counted = ended.counter("/delayed/delayed")?;
        ensure!(counted == u64::from(10 * ways), "{direction}: the engine counted {counted}");
        ensure!(ended.counter("/delayed/lost")? == 0, "{direction}: packets were lost");
    }
    Ok(())
}

/// A flow with jitter.
fn jittered(lab: &Lab, how: &How, words: &[&str]) -> Result<(usize, Duration, Duration)> {
    let jitter = ["--delay", "60ms", "--jitter", "20ms", "--for", "5m", "--direction", "Egress", "--peer", "10.77.0.2"];
    let running = lab.fault("latency", &jitter).and(how.only()).and(words).in_effect(1)?;
    let gap = Duration::from_micros(500);
    let flow = Flow { count: 2_000, gap, patience: Duration::from_secs(1), ..sent_to(lab, PEER_V4) };
    let arrivals = flow.send()?;
    running.interrupt()?.expect(130)?;
    nothing_left(lab)?;
    ensure!(arrivals.lost() == 0, "{} of {} were lost", arrivals.lost(), arrivals.sent);
    let longest = arrivals.all.iter().map(|arrival| arrival.after).max().unwrap_or_default();
    Ok((arrivals.overtaken(), arrivals.shortest(), longest))
}

/// Jitter spreads the delay and keeps the order.
pub(super) fn jitter_keeps_the_order(lab: &Lab, how: &How) -> Result<()> {
    let (overtaken, shortest, longest) = jittered(lab, how, &[])?;
    ensure!(overtaken == 0, "{overtaken} were overtaken");
    ensure!(shortest >= Duration::from_millis(38), "one came after {shortest:?}");
    ensure!(longest > shortest + Duration::from_millis(5), "all took between {shortest:?} and {longest:?}");
    Ok(())
}

/// Where it is asked for, packets overtake each other.
pub(super) fn reordering_reorders(lab: &Lab, how: &How) -> Result<()> {
    let (overtaken, shortest, _) = jittered(lab, how, &["--reorder"])?;
    ensure!(overtaken > 100, "only {overtaken} of 2,000 were overtaken");
    ensure!(shortest >= Duration::from_millis(38), "one came after {shortest:?}");
    Ok(())
}

/// What was on its way when the fault ended arrives, and arrives late.
pub(super) fn what_is_held_at_the_end_arrives(lab: &Lab, how: &How) -> Result<()> {
    let running = how.order(lab, &["--for", "5m", "--direction", "Egress", "--peer", "10.77.0.2"]).in_effect(1)?;
    let flow = Flow { count: 200, gap: Duration::ZERO, patience: Duration::from_secs(1), ..sent_to(lab, PEER_V4) };
    // Sent at once, and still held when the fault is told to end.
    let (arrivals, ended) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| flow.send());
        std::thread::sleep(DELAY / 4);
        let ended = running.interrupt();
        (sending.join().map_err(|_panic| anyhow::anyhow!("the flow panicked")), ended)
    });
    let (arrivals, ended) = (arrivals??, ended?.expect(130)?);
    ensure!(arrivals.lost() == 0, "{} of {} were lost", arrivals.lost(), arrivals.sent);
    ensure!(ended.counter("/delayed/lost")? == 0, "the evidence speaks of lost packets");
    nothing_left(lab)?;
    spared(sent_to(lab, PEER_V4))
}
