//! What is said about bad input: the field, the line, and what to write instead.

use super::document;
use insta::assert_snapshot;
use rumpus_model::policy::parse;
use std::time::{Duration, Instant};

/// Tells what is wrong with each input; one that is accepted fails the test.
fn told(cases: &[(&str, String)]) -> String {
    let mut page = String::new();
    for (name, text) in cases {
        let problems = parse(text).err().unwrap_or_default();
        assert!(!problems.is_empty(), "{name} was accepted:\n{text}");
        page += &format!("{name}\n");
        for problem in problems {
            assert!(problem.line.is_none_or(|l| l <= text.lines().count().max(1)), "{problem:?}");
            page += &format!("    {problem}\n");
            if !problem.hint.is_empty() {
                page += &format!("        hint: {}\n", problem.hint);
            }
        }
    }
    page
}

/// Replaces parts of a good experiment.
fn bad(name: &'static str, part: &str, by: &str) -> (&'static str, String) {
    let good = "targets: {processes: {name: web}}\npick: {count: 1}\nfaults:\n- latency: {delay: 100ms, direction: \
                Both}\nduration: 30s\nsteadyState: {none: {reason: test}}\n";
    assert!(parse(&document(good)).is_ok());
    let text = good.replace(part, by);
    assert_ne!(text, good, "{part} is not part of it");
    (name, document(&text))
}

fn fault(name: &'static str, fault: &str) -> (&'static str, String) {
    bad(name, "latency: {delay: 100ms, direction: Both}", fault)
}

fn targets(name: &'static str, targets: &str) -> (&'static str, String) {
    bad(name, "{processes: {name: web}}", targets)
}

#[test]
fn durations() {
    assert_snapshot!(told(&[
        bad("a fraction", "30s", "0.5s"),
        bad("negative", "30s", "-1s"),
        bad("exponent", "30s", "1e9h"),
        bad("absent", "duration: 30s\n", ""),
        bad("too short", "30s", "999ms"),
        bad("too long", "30s", "1441m"),
        bad("no unit", "30s", "30"),
        bad("no unit, quoted", "30s", "\"30\""),
        bad("another unit", "30s", "1w"),
        bad("empty", "30s", ""),
    ]));
}

#[test]
fn percents_and_picks() {
    assert_snapshot!(told(&[
        fault("more than all", "loss: {percent: 150, direction: Both}"),
        fault("none", "loss: {percent: 0, direction: Both}"),
        fault("negative", "loss: {percent: -5, direction: Both}"),
        fault("not a number", "loss: {percent: NaN, direction: Both}"),
        fault("YAML's not a number", "loss: {percent: .nan, direction: Both}"),
        fault("a command", "loss: {percent: \"50%;reboot\", direction: Both}"),
        fault("quoted", "loss: {percent: \"3\", direction: Both}"),
        fault("a fraction", "loss: {percent: 2.5, direction: Both}"),
        fault("octal", "loss: {percent: 010, direction: Both}"),
        fault("huge", "loss: {percent: 99999999999999999999, direction: Both}"),
        bad("no pick", "pick: {count: 1}\n", ""),
        bad("an empty pick", "{count: 1}", "{}"),
        bad("two picks", "{count: 1}", "{count: 1, all: true}"),
        bad("no one", "{count: 1}", "{count: 0}"),
        bad("all, quoted", "{count: 1}", "{all: \"true\"}"),
        bad("all: yes", "{count: 1}", "{all: yes}"),
        bad("all: false", "{count: 1}", "{all: false}"),
        bad("percent without rounding", "{count: 1}", "{percent: 25}"),
        bad("percent beyond 100", "{count: 1}", "{percent: 101, rounding: Up}"),
        bad("rounding alone", "{count: 1}", "{count: 1, rounding: Up}"),
        bad("rounding, misspelt", "{count: 1}", "{percent: 25, rounding: up}"),
        bad("perOwner alone", "{count: 1}", "{perOwner: 1}"),
    ]));
}

#[test]
fn unknown_and_doubled_fields() {
    let doubled = "{processes: {name: web}}\ntargets: {netns: {names: [a]}}";
    assert_snapshot!(told(&[
        bad("a shell", "duration", "shell: reboot\nduration"),
        bad("a misspelt field", "duration", "duratoin"),
        targets("a misspelt exclusion", "{processes: {name: web, exlude: {user: root}}}"),
        targets("targets twice", doubled),
        fault("a field of another fault", "loss: {percent: 3, direction: Both, delay: 3s}"),
        fault("a fault that is not known", "cpu: {load: 100}"),
        ("another kind", document("{}").replace("ChaosPolicy", "Deployment")),
        ("another group", document("{}").replace("rumpus.dev/v1alpha1", "apps/v1")),
        ("no kind", document("{}").replace("kind: ChaosPolicy\n", "")),
        ("an unknown field at the top", format!("status: {{}}\n{}", document("{}"))),
        ("secrets from elsewhere", document("{}").replace("spec:", "spec:\n  secretRef: {name: a, namespace: b}")),
        (
            "a run without experiment",
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosRun\nmetadata: {name: a}\nspec: \
          {policyRef: {name: a}, stop: true}\n"
                .into()
        ),
        ("a list for a mapping", document("[1, 2]")),
        ("nothing", "# only a comment\n".into()),
        ("no mapping", "just text\n".into()),
        ("no YAML", "a: [1\nb: }\n".into()),
        ("a tab", "a:\n\tb: 1\n".into()),
    ]));
}

#[test]
fn selectors() {
    let long = format!("{{netns: {{names: [{}]}}}}", "n".repeat(256));
    assert_snapshot!(told(&[
        targets("nothing at all", "{}"),
        targets("two kinds", "{processes: {name: web}, host: {}}"),
        targets("no process", "{processes: {}}"),
        targets("an empty exclusion", "{processes: {name: web, exclude: {}}}"),
        targets("an exclusion left open", "{processes: {name: web, exclude: }}"),
        targets("only an exclusion", "{processes: {exclude: {name: web}}}"),
        targets("an empty name", "{processes: {name: \"\"}}"),
        targets("a number for a name", "{processes: {name: 123}}"),
        targets("16 bytes of name", "{processes: {name: checkout-service}}"),
        targets("a relative path", "{processes: {exe: nginx}}"),
        targets("a quoted user number", "{processes: {user: \"0\"}}"),
        targets("a negative user", "{processes: {user: -1}}"),
        targets("a pattern that is everywhere", "{processes: {cmdline: \".*\"}}"),
        targets("an empty pattern", "{processes: {cmdline: \"\"}}"),
        targets("a pattern that is none", "{processes: {cmdline: \"web(\"}}"),
        targets("a pattern that explodes", "{processes: {cmdline: \"(a{1000}){1000}\"}}"),
        targets("a long pattern", &format!("{{processes: {{cmdline: \"{}\"}}}}", "a".repeat(10_240))),
        targets("no container", "{containers: {}}"),
        targets("an empty list of containers", "{containers: {ids: []}}"),
        targets("a short id", "{containers: {ids: [0123456789a]}}"),
        targets("not hex", "{containers: {ids: [web-0123456789ab]}}"),
        targets("an id that YAML takes for a number", "{containers: {ids: [123456789012]}}"),
        targets("no namespace", "{netns: {}}"),
        targets("a path for a namespace", "{netns: {names: [../../proc/1/ns/net]}}"),
        targets("an empty namespace", "{netns: {names: [\"\"]}}"),
        targets("a long namespace", &long),
        targets("host with a field", "{host: {name: a}}"),
    ]));
}

#[test]
fn faults_and_what_they_go_with() {
    assert_snapshot!(told(&[
        bad("no fault", "faults:\n- latency: {delay: 100ms, direction: Both}", "faults: []"),
        bad("two faults", "- latency", "- kill: {container: false}\n- latency"),
        bad(
            "no weight above 0",
            "- latency: {delay: 100ms, direction: Both}",
            "- latency: {delay: 100ms, direction: Both}\n  weight: 0\n- loss: {percent: 3, direction: Both}\n  weight: 0"
        ),
        bad(
            "a weight beyond 1000",
            "- latency: {delay: 100ms, direction: Both}",
            "- latency: {delay: 100ms, direction: Both}\n  weight: 1001"
        ),
        bad(
            "a duration of faults that are done once",
            "- latency: {delay: 100ms, direction: Both}",
            "- kill: {signal: TERM}\n- kill: {signal: KILL}"
        ),
        bad("an order that is not known", "{count: 1}", "{count: 1, order: Eldest}"),
        fault("two faults in one", "latency: {delay: 1s, direction: Both}\n  loss: {percent: 1, direction: Both}"),
        fault("kill: {}", "kill: {}"),
        fault("kill with a duration", "kill: {signal: TERM}"),
        fault("SIGSTOP", "kill: {signal: STOP}"),
        fault("lower case", "kill: {signal: term}"),
        fault("signal 0", "kill: {signal: 0}"),
        fault("grace after SIGKILL", "kill: {signal: 9, grace: 1s}"),
        fault("a long grace", "kill: {signal: TERM, grace: 11m}"),
        fault("both kinds of kill", "kill: {signal: TERM, container: true}"),
        fault("a container of processes", "kill: {container: true}"),
        fault("a pod on a host", "podDelete: {gracePeriod: 0s}"),
        fault("no direction", "latency: {delay: 1s}"),
        fault("no delay", "latency: {direction: Both}"),
        fault("no time of delay", "latency: {delay: 0ms, direction: Both}"),
        fault("more jitter than delay", "latency: {delay: 1s, jitter: 2s, direction: Both}"),
        fault("together too long", "latency: {delay: 6s, jitter: 5s, direction: Both}"),
        fault("partition, misspelt", "partition: {how: drop, direction: Out}"),
        bad("no steady state", "steadyState: {none: {reason: test}}\n", ""),
        bad("no reason", "reason: test", "reason: \" \""),
        bad("both steady states", "none: {reason: test}", "none: {reason: test}, checks: []"),
        (
            "the host, killed",
            document(
                "targets: {host: {}}\npick: {all: true}\nfaults: [{kill: {signal: 9}}]\nsteadyState: {none: {reason: t}}\n",
            ),
        ),
    ]));
}

#[test]
fn devices_peers_and_ports() {
    let with = |name, parts: &str| fault(name, &format!("loss: {{percent: 1, direction: Both, {parts}}}"));
    assert_snapshot!(told(&[
        with("a command for a device", "device: \"eth0 root; id\""),
        with("16 letters of device", "device: abcdefghijklmnop"),
        with("a path for a device", "device: ../x"),
        with("a line end after a device", "device: \"eth0\\n\""),
        with("no device", "device: []"),
        with("no peers", "peers: {}"),
        with("peers with nothing in them", "peers: {addresses: [], names: []}"),
        with("except nobody", "peers: {except: {}}"),
        with("host bits", "peers: {addresses: [10.0.0.1/8, 'fd00::1/8']}"),
        with("a zone", "peers: {addresses: ['fe80::1%eth0']}"),
        with("zeros before numbers", "peers: {addresses: [010.0.0.1, 010.0.0.0/8, 10.0.0.0/08, 10.0.0.0/+8]}"),
        with("mapped, with host bits", "peers: {addresses: ['::ffff:10.0.0.1/104']}"),
        with("no address", "peers: {addresses: [10.0.0, postgres, '']}"),
        with("an address for a name", "peers: {names: [10.0.0.1]}"),
        with("names that are none", "peers: {names: [a_b, -a, a..b, 'a;id', \"x\\u001by\"]}"),
        with("port 0", "ports: [0]"),
        with("port 65536", "ports: [65536]"),
        with("a command for a port", "ports: ['80,443;flush ruleset']"),
        with("a name for a port", "ports: [http]"),
        with("a lower case protocol", "ports: [80/tcp]"),
        with("backwards", "ports: [90-80]"),
        with("no port", "ports: []"),
        with("ICMP with ports", "ports: [80], protocols: [ICMP]"),
        with("the other protocol", "ports: [80/TCP], protocols: [UDP]"),
        with("ports that never meet", "ports: [80/TCP], localPorts: [53/UDP]"),
        with("an unknown protocol", "protocols: [SCTP]"),
    ]));
}

#[test]
fn names() {
    let name = |name, by: &str| (name, document("{}").replace("{name: trial}", by));
    let long = format!("{{name: {}}}", "a".repeat(254));
    let page = told(&[
        name("no name", "{}"),
        name("an empty name", "{name: \"\"}"),
        name("upper case", "{name: Trial}"),
        name("a path", "{name: ../kube-system}"),
        name("254 letters", &long),
        name("a namespace that is none", "{name: a, namespace: \"*\"}"),
    ]);
    // What is missing below `spec` is not the point here.
    let heads = page.lines().filter(|l| !l.contains("spec.experiment") && !l.contains("hint: write"));
    assert_snapshot!(heads.collect::<Vec<_>>().join("\n"));
    let fine = "targets: {host: {}}\npick: {all: true}\nfaults: [{partition: {direction: Both}}]\nduration: 1s\n\
                steadyState: {none: {reason: t}}\n";
    let fine = document(fine).replace("trial", &"a".repeat(253));
    assert!(parse(&fine).is_ok(), "253 letters are allowed");
}

#[test]
fn bombs_are_refused_fast() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    }
    let wide = document(&format!("targets: {{netns: {{names: [{}]}}}}", "a, ".repeat(100_000)));
    // As a part of the path of each of 9,000 fields, which is made anew for each of 50 problems.
    let fields: String = (0..9_000).map(|n| format!("        k{n}: 1\n")).collect();
    let unknown: String = (0..60).map(|n| format!("x{n}: 1\n")).collect();
    let key = "k".repeat(800_000);
    let long = document(&format!("steadyState:\n  checks:\n  - http:\n      ? {key}\n      :\n{fields}{unknown}"));
    let cases = [
        ("an alias bomb", bomb),
        ("a list 10,000 deep", "[".repeat(10_000)),
        ("a million aliases", format!("a: &a x\nb: [{}]\n", "*a, ".repeat(200_000))),
        ("100,000 names", wide),
        ("2 MiB", "a".repeat(2 << 20)),
        ("64 KiB of keys", document(&(0..8_000).map(|n| format!("k{n}: 1\n")).collect::<String>())),
        ("a key of 800,000 bytes", long),
        ("NUL and ESC", "a: \"\u{1b}\0\"\n".into()),
        ("an unclosed quote", format!("a: \"{}", "x".repeat(900_000))),
    ];
    for (name, text) in &cases {
        let started = Instant::now();
        assert!(parse(text).is_err(), "{name}");
        // Measured: at most 25 ms with optimization, 0.6 s without; the slack is for a busy machine.
        assert!(started.elapsed() < Duration::from_secs(5), "{name} took {:?}", started.elapsed());
    }
    let short: Vec<(&str, String)> = cases.into_iter().filter(|(name, _)| *name != "64 KiB of keys").collect();
    assert_snapshot!(told(&short));
}

#[test]
fn schedules() {
    let good = document(
        "targets: {processes: {name: web}}\npick: {count: 1}\nfaults:\n- latency: {delay: 100ms, direction: \
                         Both}\nduration: 30s\nsteadyState: {none: {reason: test}}\n",
    );
    let with = |name, schedule: &str| (name, good.replace("spec:\n", &format!("spec:\n  schedule: {schedule}\n")));
    let window = |name, window: &str| with(name, &format!("{{every: 10m, windows: [{{{window}}}]}}"));
    assert_snapshot!(told(&[
        with("nothing", "{}"),
        with("two at once", "{every: 10m, cron: '0 9 * * *'}"),
        with("no mean", "{random: {}}"),
        with("a mean of nothing", "{random: {meanWorkDays: 0}}"),
        with("a mean below the minimum", "{random: {meanWorkDays: 2, minWorkDays: 3}}"),
        with("a maximum below the mean", "{random: {meanWorkDays: 5, maxWorkDays: 4}}"),
        with("a fraction of a day", "{random: {meanWorkDays: 0.5}}"),
        with("four fields", "{cron: '0 9 * *'}"),
        with("six fields", "{cron: '0 0 9 * * *'}"),
        with("both kinds of days", "{cron: '0 9 1 * MON'}"),
        with("a day that never comes", "{cron: '0 9 30 2 *'}"),
        with("hour 24", "{cron: '0 24 * * *'}"),
        with("a name for a pattern", "{cron: '@daily'}"),
        with("too often", "{every: 59s}"),
        with("no period", "{every: often}"),
        with("a jitter as long as the period", "{every: 10m, jitter: 10m}"),
        with("a jitter of a cron", "{cron: '0 9 * * *', jitter: 1m}"),
        with("no instant", "{at: tomorrow}"),
        with("an instant without a zone", "{at: '2026-12-01T10:00:00'}"),
        with("no zone", "{every: 10m, timeZone: Europe/Bielefeld}"),
        with("no deadline", "{every: 10m, startingDeadline: 0s}"),
        with("another word", "{every: 10m, concurrency: Maybe}"),
        with("a rate of nothing", "{every: 10m, rate: {}}"),
        with("a rate out of bounds", "{every: 10m, rate: {runs: 17, per: 8d}}"),
        with("no windows", "{every: 10m, windows: []}"),
        window("a window without an end", "from: '09:00'"),
        window("an empty window", "from: '09:00', to: '09:00'"),
        window("an end before the start", "from: '22:00', to: '02:00'"),
        window("over midnight and longer than a day", "from: '09:00', to: '10:00', crossesMidnight: true"),
        window("a start at the end", "from: '24:00', to: '02:00', crossesMidnight: true"),
        window("no time of day", "from: '9:00', to: '25:00'"),
        window("an unknown day", "days: [Monday], from: '09:00', to: '10:00'"),
        window("no days", "days: [], from: '09:00', to: '10:00'"),
        with("holidays of another form", "{every: 10m, holidays: {dates: ['25.12.2026', 2026-02-30, 20261225]}}"),
        with("no holidays", "{every: 10m, holidays: {dates: [], calendars: []}}"),
    ]));
}
