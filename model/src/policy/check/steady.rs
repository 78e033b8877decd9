//! Steady state: why nothing is checked, or what must be well before anything begins.

use super::experiment::time;
use super::name;
use super::place::Place;
use crate::gate::{Gate, HttpProbe, Probe, WorkloadProbe};
use crate::number::whole;
use crate::wire::{self, Role};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest text of the reason for having no checks.
const REASON: usize = 1024;
/// Most checks.
const CHECKS: usize = 16;
/// How long an answer may take: the least, what is usual, the most.
const ANSWER: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(2), Duration::from_secs(5)];

/// Why nothing is checked, or the gates.
pub(super) type Steady = (Option<String>, Vec<Gate>);

/// Outer `None`: a problem was noted.
pub(super) fn check(written: Option<&wire::SteadyState>, place: &Place<'_>) -> Option<Steady> {
    let hint = "write `steadyState: {none: {reason: …}}`, or `checks`";
    let Some(written) = written else { return place.missing(hint) };
    match (&written.none, &written.checks) {
        (Some(none), None) => {
            let place = place.field("none").field("reason");
            let Some(reason) = &none.reason else { return place.missing("say why nothing is checked") };
            let good = !reason.trim().is_empty() && reason.len() <= REASON;
            if !good {
                place.wrong(format!("is empty, or longer than {REASON} bytes"), "say why nothing is checked");
            }
            good.then(|| (Some(reason.clone()), Vec::new()))
        }
        (None, Some(checks)) => {
            let place = place.field("checks");
            if !place.in_cluster() {
                place.unbuilt("checks are not built on a host", "write `steadyState: {none: {reason: …}}`");
                return Some((None, Vec::new()));
            }
            gates(checks, &place).map(|gates| (None, gates))
        }
        (Some(_), Some(_)) | (None, None) => {
            place.wrong("exactly one of none and checks is meant here", hint);
            None
        }
    }
}

fn gates(written: &[wire::Check], place: &Place<'_>) -> Option<Vec<Gate>> {
    if written.is_empty() || written.len() > CHECKS {
        place.wrong(format!("has {} checks, and 1 to {CHECKS} are possible", written.len()), "name what must be well");
        return None;
    }
    let mut names = BTreeSet::new();
    let mut gates = Vec::new();
    for (index, check) in written.iter().enumerate() {
        let place = place.item(index);
        let gate = gate(check, &place)?;
        if let Some(gate) = gate {
            if !names.insert(gate.name.clone()) {
                place
                    .field("name")
                    .wrong(format!("`{}` is the name of another check too", gate.name), "name each by itself");
                return None;
            }
            gates.push(gate);
        }
    }
    Some(gates)
}

/// Outer `None`: a problem was noted. Inner `None`: it is understood and not built.
fn gate(check: &wire::Check, place: &Place<'_>) -> Option<Option<Gate>> {
    let at = place.field("name");
    let Some(name) = &check.name else { return at.missing("give it a name, as refusals will show it") };
    if !name::plain(name.trim(), 63, &at) {
        return None;
    }
    match check.role {
        None => return place.field("role").missing("write `role: Gate`"),
        Some(Role::Gate) => {}
        Some(Role::Guard | Role::Observe | Role::Recovery) => {
            place.field("role").unbuilt("only Gate is built", "write `role: Gate`");
            return Some(None);
        }
    }
    let probe = match (&check.http, &check.kubernetes, [&check.prometheus, &check.tcp, &check.dns]) {
        (Some(http), None, [None, None, None]) => Probe::Http(http_probe(http, &place.field("http"))?),
        (None, Some(kubernetes), [None, None, None]) => {
            Probe::Workload(workload(kubernetes, &place.field("kubernetes"))?)
        }
        (None, None, others) if others.iter().filter(|o| o.is_some()).count() == 1 => {
            place.unbuilt("only http and kubernetes are built", "ask one of these");
            return Some(None);
        }
        _ => {
            place.wrong("exactly one of http, kubernetes, prometheus, tcp and dns is meant here", "");
            return None;
        }
    };
    Some(Some(Gate { name: name.clone(), probe }))
}

fn workload(written: &wire::KubernetesCheck, place: &Place<'_>) -> Option<WorkloadProbe> {
    let kind = written.kind.or_else(|| place.field("kind").missing("write Deployment, StatefulSet or DaemonSet"));
    let at = place.field("name");
    let name = written.name.clone().or_else(|| at.missing("name a workload of this namespace"));
    let name = name.filter(|name| name::object(name, &at));
    Some(WorkloadProbe { kind: kind?.name(), name: name? })
}

fn http_probe(written: &wire::HttpCheck, place: &Place<'_>) -> Option<HttpProbe> {
    let timeout = match &written.timeout {
        None => Some(ANSWER[1]),
        Some(text) => time(text, &place.field("timeout"), ANSWER[0], ANSWER[2]),
    };
    let statuses = statuses(written.status.as_ref(), &place.field("status"));
    let at = place.field("url");
    let Some(url) = &written.url else { return at.missing("write http://HOST/PATH") };
    let parts = match parts(url) {
        Ok(parts) => Some(parts),
        Err(what) => {
            at.wrong(format!("`{url}` {what}"), "write http://HOST:PORT/PATH");
            None
        }
    };
    let (host, port, path) = parts?;
    Some(HttpProbe { host, port, path, statuses: statuses?, timeout: timeout? })
}

fn statuses(written: Option<&Vec<i64>>, place: &Place<'_>) -> Option<Vec<u16>> {
    let mut statuses = Vec::new();
    for status in place.filled(written) {
        match u16::try_from(*status) {
            Ok(status) if (100..600).contains(&status) => statuses.push(status),
            Ok(_) | Err(_) => {
                place.wrong(format!("{status} is no status"), "write some of 100 to 599");
                return None;
            }
        }
    }
    Some(statuses)
}

/// Takes a URL apart: strictly, because what is allowed is judged by the parts.
fn parts(url: &str) -> Result<(String, u16, String), &'static str> {
    if url.len() > 2048 {
        return Err("is longer than 2048 bytes");
    }
    if url.starts_with("https:") {
        return Err("needs https, which is not built");
    }
    let rest = url.strip_prefix("http://").ok_or("does not begin with http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains('#') || path.starts_with('?') {
        return Err("has a path with spaces, `#` or other than ASCII");
    }
    let path = if path.is_empty() { "/" } else { path };
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']').ok_or("has no `]` after its address")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_not_one| "has no IPv6 address within `[]`")?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("has no port after `]`")?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let named = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    if host.is_empty() || host.len() > 253 || !named {
        return Err("has no name of a host");
    }
    let port = match port {
        None => 80,
        Some(port) => whole(port).filter(|p| *p > 0).ok_or("has no port")?,
    };
    Ok((host.to_ascii_lowercase(), port, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, Problem, Site, parse_for};

    fn read(checks: &str, site: Site) -> Result<Policy, Vec<Problem>> {
        let targets = if site == Site::Host { "{netns: {names: [a]}}" } else { "{pods: {names: [a]}}" };
        let text = format!(
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment:\n    \
             targets: {targets}\n    pick: {{count: 1}}\n    faults: [{{partition: {{direction: Both}}}}]\n    \
             duration: 5s\n    steadyState: {{checks: {checks}}}\n"
        );
        parse_for(&text, site).map(|mut all| all.remove(0))
    }

    fn wrong(checks: &str) -> String {
        read(checks, Site::Cluster).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    fn unbuilt(checks: &str, site: Site) -> Vec<String> {
        read(checks, site).unwrap().unbuilt.into_iter().map(|u| u.field).collect()
    }

    #[test]
    fn gates_are_read_with_what_is_usual() {
        let policy = read(
            "[{name: up, role: Gate, http: {url: 'http://Status:8080/ok', status: [200, 404], timeout: 1s}},
              {name: quick, role: Gate, http: {url: 'http://status'}},
              {name: db, role: Gate, kubernetes: {kind: StatefulSet, name: db}}]",
            Site::Cluster,
        )
        .unwrap();
        let shown: Vec<String> = policy.experiment.gates.iter().map(|g| format!("{:?}", g.probe)).collect();
        assert_eq!(
            shown,
            [
                r#"Http(HttpProbe { host: "status", port: 8080, path: "/ok", statuses: [200, 404], timeout: 1s })"#,
                r#"Http(HttpProbe { host: "status", port: 80, path: "/", statuses: [], timeout: 2s })"#,
                r#"Workload(WorkloadProbe { kind: "StatefulSet", name: "db" })"#,
            ]
        );
        assert_eq!((policy.unbuilt.len(), policy.experiment.no_checks_reason), (0, None));
    }

    #[test]
    fn what_is_not_built_is_named_and_what_is_wrong_is_refused() {
        let up = "http: {url: 'http://a'}";
        let field = |n: &str| vec![format!("spec.experiment.steadyState.checks{n}")];
        assert_eq!(unbuilt(&format!("[{{name: a, role: Gate, {up}}}]"), Site::Host), field(""));
        assert_eq!(unbuilt(&format!("[{{name: a, role: Guard, {up}}}]"), Site::Cluster), field("[0].role"));
        assert_eq!(unbuilt("[{name: a, role: Gate, dns: {}}]", Site::Cluster), field("[0]"));
        for (checks, says) in [
            ("[]".to_owned(), "has 0 checks"),
            (format!("[{{role: Gate, {up}}}]"), "checks[0].name: is missing"),
            (format!("[{{name: ' ', role: Gate, {up}}}]"), "checks[0].name: is empty"),
            (format!("[{{name: a, {up}}}]"), "checks[0].role: is missing"),
            ("[{name: a, role: Gate}]".into(), "exactly one of http"),
            (format!("[{{name: a, role: Gate, {up}, tcp: {{}}}}]"), "exactly one of http"),
            (format!("[{{name: a, role: Gate, {up}}}, {{name: a, role: Gate, {up}}}]"), "name of another check too"),
            ("[{name: a, role: Gate, http: {}}]".into(), "url: is missing"),
            ("[{name: a, role: Gate, http: {url: 'https://a'}}]".into(), "https, which is not built"),
            ("[{name: a, role: Gate, http: {url: 'http://a', status: [99]}}]".into(), "99 is no status"),
            ("[{name: a, role: Gate, http: {url: 'http://a', status: []}}]".into(), "an empty list names nothing"),
            ("[{name: a, role: Gate, http: {url: 'http://a', timeout: 6s}}]".into(), "is not within 100ms and 5s"),
            ("[{name: a, role: Gate, kubernetes: {name: a}}]".into(), "kind: is missing"),
            ("[{name: a, role: Gate, kubernetes: {kind: Deployment}}]".into(), "name: is missing"),
            ("[{name: a, role: Gate, kubernetes: {kind: Deployment, name: b/c}}]".into(), "is no name"),
        ] {
            let said = wrong(&checks);
            assert!(said.contains(says), "{checks}: {said}");
        }
    }

    #[test]
    fn urls_are_taken_apart_strictly() {
        let of = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(parts("http://Prometheus.mon:9090/-/healthy?a=b"), of("prometheus.mon", 9090, "/-/healthy?a=b"));
        assert_eq!(parts("http://a"), of("a", 80, "/"));
        assert_eq!(parts("http://[fd00::1]:8080/x"), of("fd00::1", 8080, "/x"));
        assert_eq!(parts("http://10.0.0.1/"), of("10.0.0.1", 80, "/"));
        for bad in [
            "https://a/",
            "ftp://a/",
            "file:///etc/passwd",
            "a/b",
            "http://",
            "http:///x",
            "http://a:0/",
            "http://a:65536/",
            "http://a:+1/",
            "http://a:/",
            "http://user@a/",
            "http://user:secret@a/",
            "http://a b/",
            "http://a/b c",
            "http://a/\r\nX-Evil: 1",
            "http://a/#x",
            "http://a?x",
            "http://[::1",
            "http://[a]/",
            "http://[::1]80/",
            "http://a\\b/",
        ] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
