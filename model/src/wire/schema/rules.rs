//! Rules over several fields, in CEL. Each says what the parser says too.

use serde_json::{Value, json};

/// One rule and what is told when it does not hold.
pub(crate) fn rule(rule: impl Into<String>, message: impl Into<String>) -> Value {
    json!({"rule": rule.into(), "message": message.into()})
}

/// A duration's milliseconds; the pattern of the field holds.
pub(crate) fn millis(field: &str) -> String {
    format!(
        "int({field}.find('[0-9]+')) * ({field}.endsWith('ms') ? 1 : {field}.endsWith('s') ? 1000 : \
         {field}.endsWith('m') ? 60000 : {field}.endsWith('h') ? 3600000 : 86400000)"
    )
}

fn count(fields: &[&str]) -> String {
    fields.iter().map(|f| format!("(has(self.{f}) ? 1 : 0)")).collect::<Vec<_>>().join(" + ")
}

/// Exactly one of these fields is there.
pub(crate) fn one_of(fields: &[&str]) -> Value {
    rule(format!("{} == 1", count(fields)), format!("exactly one of {} is meant here", fields.join(", ")))
}

/// At least one of these fields is there.
pub(crate) fn any_of(fields: &[&str], message: &str) -> Value {
    rule(fields.iter().map(|f| format!("has(self.{f})")).collect::<Vec<_>>().join(" || "), message)
}

/// The field is `true` where it is there.
pub(crate) fn only_true(field: &str) -> Value {
    rule(format!("!has(self.{field}) || self.{field}"), format!("{field} is true or left out"))
}

/// What an experiment is as a whole.
pub(crate) fn experiment() -> Value {
    let lasts = "self.faults.exists(f, has(f.latency) || has(f.loss) || has(f.partition))";
    let once = "self.faults.all(f, has(f.kill) || has(f.podDelete) || has(f.podEvict))";
    let narrow =
        ["selector", "names", "owners", "nodes", "zones"].map(|f| format!("has(self.targets.pods.{f})")).join(" || ");
    json!([
        rule(format!("has(self.duration) || {once}"), "duration is required for faults that last"),
        rule(format!("!has(self.duration) || {lasts}"), "duration is forbidden for faults that are done once"),
        rule(
            "self.faults.exists(f, !has(f.weight) || f.weight > 0)",
            "faults: every weight is 0, so none is ever drawn; write a weight of 1 or more, or leave it out",
        ),
        rule(
            format!("!has(self.targets.pods) || {narrow} || (has(self.pick.all) && self.pick.all)"),
            "an empty selector selects nothing: write selector, names, owners, nodes or zones, or pick all: true",
        ),
    ])
}

/// How many.
pub(crate) fn pick() -> Value {
    json!([
        one_of(&["count", "percent", "all"]),
        only_true("all"),
        rule("has(self.percent) == has(self.rounding)", "rounding goes with percent, and percent with rounding"),
        rule(
            "!has(self.weightBy) || !has(self.order) || self.order == 'Random'",
            "weightBy draws and order sorts: leave one of them out",
        ),
    ])
}

/// A signal, or a whole container.
pub(crate) fn kill() -> Value {
    json!([
        one_of(&["signal", "container"]),
        only_true("container"),
        rule("!has(self.grace) || has(self.signal)", "a whole container is killed at once: leave grace out"),
    ])
}

/// A delay and how much it varies.
pub(crate) fn latency() -> Value {
    let (jitter, delay) = (millis("self.jitter"), millis("self.delay"));
    json!([
        rule(
            format!("!has(self.jitter) || {jitter} <= {delay}"),
            "jitter is more than the delay: no packet arrives before it was sent",
        ),
        rule(
            format!("!has(self.jitter) || {jitter} + {delay} <= 10000"),
            "delay and jitter together are more than 10s"
        ),
    ])
}

/// One expression over labels.
pub(crate) fn requirement() -> Value {
    json!([rule(
        "(self.operator in ['In', 'NotIn']) == has(self.values)",
        "In and NotIn need values, Exists and DoesNotExist have none",
    )])
}

/// Which pods.
pub(crate) fn pods() -> Value {
    json!([rule(
        "!has(self.namespaces) || !has(self.allNamespaces) || !self.allNamespaces",
        "namespaces and allNamespaces contradict each other",
    )])
}

/// A run's spec, as it is changed.
pub(crate) fn run() -> Value {
    json!([
        rule("!has(oldSelf.stop) || !oldSelf.stop || (has(self.stop) && self.stop)", "a stopped run stays stopped",)
    ])
}

/// A run's status, as it is changed: a write that comes late must not undo the last one.
pub(crate) fn run_status() -> Value {
    json!([rule(
        "!has(oldSelf.state) || oldSelf.state != 'Finished' || (has(self.state) && self.state == 'Finished')",
        "a finished run stays finished",
    )])
}

/// The Ledger, as it is changed: whoever was overtaken cannot write it any more.
pub(crate) fn ledger() -> Value {
    json!([rule("self.epoch >= oldSelf.epoch", "the epoch of the Ledger never goes back: another controller leads")])
}

/// An injection's spec, as it is written and changed.
pub(crate) fn injection() -> Value {
    let lasts = "has(self.fault.latency) || has(self.fault.loss) || has(self.fault.partition)";
    json!([
        rule(
            "self.phase == oldSelf.phase || (oldSelf.phase == 'Planned' && self.phase in ['Armed', 'Cancelled']) || \
             (oldSelf.phase == 'Armed' && self.phase == 'Cancelled')",
            "phase goes from Planned to Armed or Cancelled, and from Armed to Cancelled",
        ),
        rule(
            "!has(self.fault.podDelete) && !has(self.fault.podEvict)",
            "podDelete and podEvict are done by the controller",
        ),
        rule(
            format!("has(self.duration) == ({lasts})"),
            "duration is required for faults that last, and only for them"
        ),
        rule("self.targets.size() > 0 || self.phase != 'Armed'", "an armed injection has targets"),
    ])
}
