//! The demo's namespaces as text, before the first fault and after the last, and what differs.

use super::namespace;
use super::stage::Stage;
use rumpus_agent::kernel::dump::dump;
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::resolve::chain;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a new link may take to tell its last state: the kernel reports it once a second.
const STEADY_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EACH: Duration = Duration::from_millis(50);

/// A dump for each namespace.
pub type Dumps = BTreeMap<&'static str, String>;

/// Takes a dump of each namespace, once two in a row are the same.
///
/// # Errors
/// One cannot be read, or does not come to rest.
pub fn take(stage: &Stage) -> Result<Dumps, String> {
    let until = Instant::now() + STEADY_WITHIN;
    let mut last = once(stage)?;
    loop {
        std::thread::sleep(LOOK_EACH);
        let next = once(stage)?;
        if next == last {
            return Ok(next);
        }
        if Instant::now() >= until {
            return Err("the namespaces do not come to rest".into());
        }
        last = next;
    }
}

fn once(stage: &Stage) -> Result<Dumps, String> {
    let one = |name| {
        let netns = NetNs::open(namespace::path(name)).map_err(|e| chain(&e))?;
        netns.enter(dump).map_err(|e| chain(&e))?.map_err(|e| chain(&e)).map(|text| (name, text))
    };
    stage.namespaces().map(one).collect()
}

/// Returns the lines that are in one only: `-` before, `+` after.
pub fn differences(before: &Dumps, after: &Dumps) -> Vec<String> {
    let lines = |dumps: &Dumps| -> Vec<String> {
        dumps.iter().flat_map(|(name, text)| text.lines().map(move |line| format!("{name}: {line}"))).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let only = |these: &[String], those: &[String], sign| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let mut all = only(&before, &after, '-');
    all.extend(only(&after, &before, '+'));
    if all.is_empty() && before != after {
        all.push("- a line is there more or less often than before".into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_told() {
        let dumps = |text: &str| Dumps::from([("a", text.to_owned())]);
        assert!(differences(&dumps("x\ny\n"), &dumps("x\ny\n")).is_empty());
        assert_eq!(differences(&dumps("x\ny\n"), &dumps("x\nz\n")), ["- a: y", "+ a: z"]);
        assert_eq!(differences(&dumps("x\n"), &dumps("x\nx\n")).len(), 1);
    }
}
