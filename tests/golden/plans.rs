//! Every selector, every fault, and every reason to leave something out or to refuse, as the reader sees it.

use super::{document, page, policy, wanted};
use insta::assert_snapshot;
use rumpus_model::engine::Engine;
use rumpus_model::plan::{occupy, plan};
use rumpus_model::policy::Policy;
use rumpus_model::scope::{Direction, Exempt, Protocol};
use rumpus_tests::builders::{WorldBuilder, netns, process, world};

const C1: &str = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef";
const C2: &str = "ba9876543210ba9876543210ba9876543210ba9876543210ba9876543210abcd";

fn trial(targets: &str, pick: &str, fault: &str) -> Policy {
    let lasts = if fault.starts_with("kill") { "" } else { "duration: 30s\n" };
    policy(&document(&format!(
        "targets: {{{targets}}}\npick: {{{pick}}}\nfaults: [{{{fault}}}]\n{lasts}steadyState: {{none: {{reason: test}}}}\n"
    )))
}

/// Three web servers in namespaces of their own, one of which shares its namespace with sshd.
fn webs() -> WorldBuilder {
    world()
        .with_user("www", 33)
        .with_netns(netns("blue"))
        .with_netns(netns("green"))
        .with_netns(netns("gate"))
        .with(process("systemd").pid(1))
        .with(process("nginx").in_netns("blue").user(33))
        .with(process("nginx").in_netns("green").user(33))
        .with(process("nginx").in_netns("gate").user(33))
        .with(process("sshd").in_netns("gate"))
        .with(process("nginx").user(33))
}

fn boxes() -> WorldBuilder {
    world()
        .with_netns(netns("c1").unnamed())
        .with_container(C1)
        .with_container(C2)
        .with(process("tini").in_container(C1).in_netns("c1"))
        .with(process("app").in_container(C1).in_netns("c1").child_of(100))
        .with(process("app").in_container(C2))
}

#[test]
fn a_kill_names_each_process_and_each_that_is_left_out() {
    let world = webs()
        .with(process("nginx").user(0).cmdline("nginx: master"))
        .with(process("nginx").with_unreadable_cgroup().user(33))
        .build();
    let policy = trial("processes: {name: nginx, exclude: {user: 0}}", "count: 2", "kill: {signal: TERM, grace: 5s}");
    assert_snapshot!(page(&world, &policy));
}

#[test]
fn of_several_faults_one_is_drawn_and_the_youngest_are_taken_first() {
    let faults = "loss: {percent: 5, direction: Both}, weight: 3}, {kill: {signal: KILL}";
    let policy = trial("processes: {name: nginx}", "count: 1, order: Youngest", faults);
    let mut pages: Vec<String> = ["1", "2", "3", "4"]
        .map(|seed| rumpus_cli::render::plan(&plan(&webs().build(), &policy, seed, "run-1")))
        .into();
    pages.dedup_by_key(|page| page.contains("SIGKILL"));
    assert!(pages.len() > 1);
    assert_snapshot!(pages.join("\n"));
}

#[test]
fn daemons_rumpus_itself_and_pid_1_are_protected() {
    let world = world()
        .with(process("init").pid(1))
        .with(process("sshd"))
        .with(process("bash").pid(200))
        .with(process("rumpus"))
        .with(process("kworker/0:1").kernel_thread())
        .with(process("nginx"))
        .own(200)
        .build();
    let policy = trial("processes: {user: 0}", "all: true", "kill: {signal: KILL}");
    assert_snapshot!(page(&world, &policy));
}

#[test]
fn a_network_fault_groups_processes_by_namespace_and_names_every_process_in_it() {
    let world = webs().with(process("helper").in_netns("blue")).with(process("nginx").with_unreadable_netns()).build();
    let policy =
        trial("processes: {name: nginx}", "all: true", "latency: {delay: 100ms, jitter: 20ms, direction: Both}");
    assert_snapshot!(page(&world, &policy));
}

#[test]
fn one_excluded_process_keeps_its_whole_namespace_out() {
    let world = webs().with(process("nginx").in_netns("blue").user(7)).build();
    let targets = "processes: {name: nginx, exclude: {user: 7}}";
    assert_snapshot!(page(&world, &trial(targets, "all: true", "loss: {percent: 30, direction: Both}")));
}

#[test]
fn namespaces_are_named_and_a_missing_one_is_told() {
    let policy = trial(
        "netns: {names: [blue, green, grey, gate]}",
        "percent: 50, rounding: Down",
        "partition: {direction: Both, peers: {addresses: [10.0.0.0/8, '::ffff:192.0.2.1'], except: {addresses: [10.1.0.0/16]}}, ports: [5432/TCP, 53]}",
    );
    assert_snapshot!(page(&webs().build(), &policy));
}

#[test]
fn a_whole_container_is_killed() {
    let policy = trial("containers: {ids: [0123456789ab, ffffffffffff]}", "all: true", "kill: {container: true}");
    assert_snapshot!(page(&boxes().build(), &policy));
}

#[test]
fn a_signal_goes_to_the_first_process_of_a_container() {
    let targets = format!("containers: {{ids: [0123456789ab, ba9876543210], exclude: [{C2}]}}");
    assert_snapshot!(page(&boxes().build(), &trial(&targets, "all: true", "kill: {signal: 15, grace: 0s}")));
}

#[test]
fn a_container_on_the_hosts_network_is_left_out_of_a_network_fault() {
    let policy = trial(
        "containers: {ids: [0123456789ab, ba9876543210]}",
        "all: true",
        "partition: {how: Reject, direction: Egress, device: eth0}",
    );
    assert_snapshot!(page(&boxes().build(), &policy));
}

#[test]
fn the_host_keeps_its_way_in() {
    let ssh = Exempt {
        reason: "sshd listens on 22/TCP".into(),
        protocol: Some(Protocol::Tcp),
        peer: None,
        peer_port: None,
        local_port: Some(22),
    };
    let world = webs().with_lockout(vec![ssh]).build();
    assert_snapshot!(page(&world, &trial("host: {}", "all: true", "loss: {percent: 100, direction: Ingress}")));
}

#[test]
fn the_host_is_refused_where_its_way_in_is_not_known_and_for_latency() {
    let world = webs().build();
    let loss = page(&world, &trial("host: {}", "all: true", "loss: {percent: 1, direction: Both}"));
    let latency = page(&world, &trial("host: {}", "all: true", "latency: {delay: 1s, direction: Both}"));
    assert_snapshot!(format!("{loss}\n{latency}"));
}

#[test]
fn percent_is_rounded_as_it_is_written() {
    let world = webs().build();
    let pages = ["Up", "Down"].map(|rounding| {
        let pick = format!("percent: 10, rounding: {rounding}");
        page(&world, &trial("processes: {name: nginx}", &pick, "kill: {signal: TERM}"))
    });
    assert_snapshot!(pages.join("\n"));
}

#[test]
fn names_are_resolved_in_each_targets_view() {
    let policy = trial(
        "netns: {names: [blue, green]}",
        "all: true",
        "latency: {delay: 1s, direction: Egress, reorder: true, peers: {names: [db.example]}}",
    );
    let ask: Vec<String> =
        wanted(&webs().build(), &policy).into_iter().map(|l| format!("{} {}", l.netns.id, l.name)).collect();
    assert_eq!(ask, ["net:[100] db.example", "net:[101] db.example"]);
    let known = webs().resolving("blue", "db.example", Ok(&["10.0.0.7", "fd00::7"])).resolving(
        "green",
        "db.example",
        Ok(&["10.0.0.8"]),
    );
    let half = webs().resolving("blue", "db.example", Ok(&["10.0.0.7"])).resolving(
        "green",
        "db.example",
        Err("no such name (NXDOMAIN)"),
    );
    assert_snapshot!(format!("{}\n{}", page(&known.build(), &policy), page(&half.build(), &policy)));
}

#[test]
fn a_second_delay_of_the_same_packets_is_refused() {
    let standing = world().with_netns(netns("blue").delayed_by("rumpus_77_x", Direction::Egress)).build();
    let latency = trial("netns: {names: [blue]}", "all: true", "latency: {delay: 9s, direction: Both}");
    let mut beside = webs().build();
    let first = plan(&beside, &latency, "42", "run-0");
    occupy(&mut beside, &first);
    let loss = trial("netns: {names: [blue]}", "all: true", "loss: {percent: 1, direction: Both}");
    let pages = [page(&standing, &latency), page(&beside, &latency), page(&standing, &loss)];
    assert_snapshot!(pages.join("\n"));
}

#[test]
fn a_missing_engine_is_replaced_or_refused_with_what_the_kernel_said() {
    let policy = trial("netns: {names: [blue]}", "all: true", "latency: {delay: 100ms, direction: Egress}");
    let netem = webs().without_engine(Engine::Netem, "qdisc netem: ENOENT");
    let fallback = page(&netem.build(), &policy);
    let none = webs()
        .without_engine(Engine::Netem, "qdisc netem: ENOENT")
        .without_engine(Engine::Nfqueue, "nfnetlink_queue: EPROTONOSUPPORT");
    assert_snapshot!(format!("{fallback}\n{}", page(&none.build(), &policy)));
}

#[test]
fn nothing_is_planned_while_a_halt_stands_or_cannot_be_read() {
    let policy = trial("netns: {names: [blue]}", "all: true", "loss: {percent: 1, direction: Egress}");
    let stands = page(&webs().halted("incident 7").build(), &policy);
    let unreadable = page(&webs().halt_unreadable("permission denied").build(), &policy);
    assert_snapshot!(format!("{stands}\n{unreadable}"));
}

#[test]
fn an_unknown_host_network_and_a_missing_device_are_refused() {
    let policy = trial("netns: {names: [blue]}", "all: true", "loss: {percent: 1, direction: Egress, device: wlan0}");
    let unknown = page(&webs().without_host_netns().build(), &policy);
    assert_snapshot!(format!("{unknown}\n{}", page(&webs().build(), &policy)));
}

#[test]
fn what_a_host_cannot_honour_is_refused_by_name() {
    let text = document(
        "targets: {pods: {namespaces: [shop], selector: {matchLabels: {app.kubernetes.io/name: checkout}}, minAge: 5m}}\n\
         pick: {count: 1, perOwner: 1}\n\
         faults:\n- latency: {delay: 1s, direction: Both, probes: Exempt, peers: {services: [postgres], follow: true}}\n\
         duration: 5m\nlimits: {minHealthy: 2, maxUnavailable: 25%, maxConcurrent: 1, singleReplica: Allow}\n\
         steadyState: {checks: [{name: up, role: Gate, http: {url: 'http://x', status: [200]}}]}\n",
    );
    let spec = "spec:\n  serviceAccountName: robot\n  suspend: true\n  mode: Armed\n  schedule:\n    random: {meanWorkDays: 2, \
                minWorkDays: 1}\n    groupBy: {label: team}\n    windows: [{days: [Mon], from: '09:00', to: '15:00'}]\n";
    let policy = policy(&text.replace("spec:\n", spec));
    assert_snapshot!(page(&webs().build(), &policy));
}

#[test]
fn many_are_counted_and_ten_are_named() {
    let mut crowd = world().with_netns(netns("blue"));
    for _ in 0..40 {
        crowd = crowd.with(process("worker").in_netns("blue"));
    }
    let crowd = crowd.build();
    let kill = page(&crowd, &trial("processes: {name: worker}", "count: 3", "kill: {signal: INT}"));
    let cut = page(&crowd, &trial("processes: {name: worker}", "count: 3", "partition: {direction: Ingress}"));
    assert_snapshot!(format!("{kill}\n{cut}"));
}

#[test]
fn hostile_names_are_shown_and_do_not_steer_the_terminal() {
    let world = world()
        .with_netns(netns("blue"))
        .with(process("a\u{1b}[2J\u{202e}b\n").in_netns("blue").user(9))
        .with(process("\u{9b}31m\u{feff}").in_netns("blue").user(9))
        .with(process("x\u{7f}\u{200b}y").in_netns("blue").user(8))
        .build();
    let kill = trial("processes: {user: 9, exclude: {cmdline: \"\\e\\\\[31m\"}}", "count: 1", "kill: {signal: TERM}");
    let cut = trial("processes: {user: 9, exclude: {user: 8}}", "all: true", "partition: {direction: Both}");
    assert_snapshot!(format!("{}\n{}", page(&world, &kill), page(&world, &cut)));
}
