//! Any part of Rumpus may die, hang or be cut off: what is in effect ends within the lease, or goes on and is true again.
//!
//! These tests hurt parts that others rely on, so each runs alone.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use rumpus_tests::live::api::RUMPUS;

use super::cli::say;
use super::ends::Pair;
use super::parts::{self, LEASE, NODES, OUTLIVED};
use super::run::{experiment, partition};
use crate::site::within;

#[test]
fn the_other_controller_takes_over_from_one_that_is_killed_or_hangs_and_no_fault_ends() {
    parts::alone_on_well_parts(async |site| {
        for signal in [Signal::KILL, Signal::STOP] {
            let part = if signal == Signal::KILL { "leader-dies" } else { "leader-hangs" };
            let pair = Pair::on(site, part, [NODES[0], NODES[1]]).await;
            let run = pair.cut("2m").await;
            let (leader, term) = parts::leads(site).await;
            let hurt = parts::controller_processes(site).await.into_iter().next().expect("one leads");
            parts::signal(&hurt, signal);
            let began = Instant::now();
            // One that is killed may be back before the other one has waited long enough: in a term of its own.
            within(LEASE, "somebody leads in a new term", async || {
                assert!(!pair.talks(), "the fault ended with the controller");
                let (now, new) = parts::leads(site).await;
                new > term && now != "" && (now != leader || signal == Signal::KILL)
            })
            .await;
            // Longer than the lease after the death: the new one renews it.
            tokio::time::sleep(OUTLIVED.saturating_sub(began.elapsed())).await;
            assert!(!pair.talks(), "the fault ended although another controller leads");
            assert_eq!(run.status().await["state"], "Running", "the status is not true");
            // What the old one still has on its way, or begins when it wakes up, changes nothing.
            if signal == Signal::STOP {
                parts::signal(&hurt, Signal::CONT);
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert!(!pair.talks(), "the fault ended when the old leader woke up");
            }
            run.stop().await;
            pair.heals_within(Duration::from_secs(5)).await;
            let status = run.over().await;
            assert_eq!(status["effective"], "True", "{status:#}");
            pair.is_as_before().await;
            parts::all_well(site).await;
        }
    });
}

#[test]
fn without_a_controller_all_ends_within_the_lease_and_a_halt_works() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "gone", [NODES[0], NODES[1]]).await;
        let other = Pair::on(site, "gone-halt", [NODES[2], NODES[1]]).await;
        let run = pair.cut("3m").await;
        let halted = other.cut("3m").await;
        let uid = other.injection().await;
        let ended = parts::controller_processes(site).await;
        parts::scale_controller(site, 0).await;
        within(Duration::from_secs(40), "the controllers are gone", async || {
            ended.iter().all(|process| process.ends_within(Duration::ZERO).expect("the kernel says"))
        })
        .await;
        let gone = Instant::now();
        let scope = format!("ns/{}", other.shop.namespace);
        let said = say(&["halt", &scope, "--reason", "a test"]);
        assert_eq!(said.code, 0, "{}", said.text);
        assert!(other.talks(), "the Halt is said to be attested and is not");
        other.attested(&uid).await;
        assert!(!pair.talks(), "it ended with the Halt of another namespace");
        pair.heals_within(OUTLIVED.saturating_sub(gone.elapsed())).await;
        pair.is_as_before().await;
        other.is_as_before().await;
        let said = say(&["resume"]);
        assert_eq!(said.code, 0, "{}", said.text);
        parts::scale_controller(site, parts::CONTROLLERS).await;
        parts::all_well(site).await;
        for run in [run, halted] {
            let status = run.over().await;
            assert_eq!(status["verdict"], "Aborted", "{status:#}");
        }
    });
}

#[test]
fn agents_that_hang_die_or_are_cut_off_let_go_and_delay_nobody() {
    parts::alone_on_well_parts(async |site| {
        // Each node suffers something else; the third pair's target is on a node that stays well.
        let hung = Pair::on(site, "hung", [NODES[0], NODES[1]]).await;
        let dead = Pair::on(site, "dead", [NODES[1], NODES[0]]).await;
        let well = Pair::on(site, "well", [NODES[2], NODES[0]]).await;
        let runs = [hung.cut("3m").await, dead.cut("3m").await];
        let uids = [hung.injection().await, dead.injection().await];

        let sleeper = parts::agent(site, NODES[0]).await;
        parts::signal(&sleeper, Signal::STOP);
        let stopped = Instant::now();
        // Without its kubelet nobody starts the agent again.
        let kubelet = parts::kubelet(NODES[1]);
        parts::signal(&kubelet, Signal::STOP);
        let killed = parts::agent(site, NODES[1]).await;
        parts::signal(&killed, Signal::KILL);
        let died = Instant::now();

        let began = Instant::now();
        let third = well.cut("1m").await;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(8), "sick nodes delay a healthy one by {took:?}");
        third.stop().await;
        third.over().await;

        hung.heals_within(OUTLIVED.saturating_sub(stopped.elapsed())).await;
        dead.heals_within(OUTLIVED.saturating_sub(died.elapsed())).await;
        // Nobody has said that it is over: it is not called so.
        for run in &runs {
            let status = run.status().await;
            assert_ne!(status["confirmation"], "Confirmed", "{status:#}");
        }
        parts::signal(&sleeper, Signal::CONT);
        parts::signal(&kubelet, Signal::CONT);
        parts::all_well(site).await;
        for (pair, uid) in [&hung, &dead].into_iter().zip(&uids) {
            pair.attested(uid).await;
            assert!(pair.talks(), "it is in effect again");
            pair.is_as_before().await;
        }
        well.is_as_before().await;
    });
}

#[test]
fn a_node_that_is_cut_off_from_the_api_server_lets_go() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "cut-off", [NODES[2], NODES[0]]).await;
        let run = pair.cut("3m").await;
        let uid = pair.injection().await;
        let node = parts::network(NODES[2]);
        let route = ["route", "add", "unreachable", "10.77.0.1/32"];
        node.tool("ip", &route).expect("the node loses its way");
        let began = Instant::now();
        let healed = tokio::time::timeout(OUTLIVED, pair.heals_within(OUTLIVED)).await;
        let status = run.status().await;
        node.tool("ip", &["route", "del", "unreachable", "10.77.0.1/32"]).expect("the node finds its way again");
        healed.expect("it ends within the lease");
        assert!(began.elapsed() < OUTLIVED, "it ended too late");
        assert_ne!(status["confirmation"], "Confirmed", "{status:#}");
        parts::all_well(site).await;
        pair.attested(&uid).await;
        pair.is_as_before().await;
        run.over_within(Duration::from_secs(60)).await;
    });
}

#[test]
fn an_agent_that_is_replaced_ends_its_faults_first() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "replaced", [NODES[0], NODES[1]]).await;
        let run = pair.cut("3m").await;
        let uid = pair.injection().await;
        let agents = parts::pods_of(site, "agent").await;
        let agent = agents.iter().find(|pod| pod["spec"]["nodeName"] == NODES[0]).expect("an agent");
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            crate::site::RELEASE,
            agent["metadata"]["name"].as_str().expect("a name")
        );
        site.admin.delete(&path, &Value::Null).await.ok();
        pair.heals_within(Duration::from_secs(5)).await;
        pair.attested(&uid).await;
        pair.is_as_before().await;
        parts::all_well(site).await;
        run.over().await;
        // The next one works.
        run.remove().await;
        let next = pair.cut("1m").await;
        next.stop().await;
        next.over().await;
    });
}

#[test]
fn what_is_started_while_an_agent_hangs_is_never_begun() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "late", [NODES[1], NODES[2]]).await;
        let agent = parts::agent(site, NODES[1]).await;
        parts::signal(&agent, Signal::STOP);
        let run = pair.shop.start("late", &experiment("web", &partition("db"), Some("3m"))).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        run.stop().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        parts::signal(&agent, Signal::CONT);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            assert!(pair.talks(), "a fault began after it was stopped");
        }
        run.over().await;
        pair.is_as_before().await;
        let halts = site.admin.get(&format!("{RUMPUS}/chaoshalts")).await.ok();
        assert_eq!(halts["items"], json!([]), "a test forgot a Halt");
        parts::all_well(site).await;
    });
}

#[test]
fn a_halt_of_everything_ends_all_on_every_node() {
    parts::alone_on_well_parts(async |site| {
        let pairs = [
            Pair::on(site, "all-1", [NODES[0], NODES[1]]).await,
            Pair::on(site, "all-2", [NODES[1], NODES[2]]).await,
            Pair::on(site, "all-3", [NODES[2], NODES[0]]).await,
        ];
        for pair in &pairs {
            pair.cut("3m").await;
        }
        let said = say(&["halt", "--reason", "a test", "-o", "json"]);
        assert_eq!(said.code, 0, "{}", said.text);
        for pair in &pairs {
            assert!(pair.talks(), "the Halt is said to be attested and is not");
            pair.attested(&pair.injection().await).await;
            pair.is_as_before().await;
        }
        let said = say(&["resume"]);
        assert_eq!(said.code, 0, "{}", said.text);
        for pair in &pairs {
            pair.shop.run("cut").over().await;
        }
    });
}

#[test]
fn an_api_server_that_hangs_for_a_moment_changes_nothing_and_for_long_ends_all() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "hangs", [NODES[0], NODES[2]]).await;
        let run = pair.cut("3m").await;
        let uid = pair.injection().await;
        let server = parts::of_the_control_plane("kube-apiserver");
        parts::signal(&server, Signal::STOP);
        std::thread::sleep(Duration::from_secs(4));
        parts::signal(&server, Signal::CONT);
        // Longer than the lease: what was renewed before the silence would be over by now.
        let until = Instant::now() + OUTLIVED;
        while Instant::now() < until {
            assert!(!pair.talks(), "four seconds of silence ended the fault");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(run.status().await["state"], "Running");

        parts::signal(&server, Signal::STOP);
        let began = Instant::now();
        while !pair.talks() && began.elapsed() < OUTLIVED {
            std::thread::sleep(Duration::from_millis(100));
        }
        let took = began.elapsed();
        let talks = pair.talks();
        parts::signal(&server, Signal::CONT);
        assert!(talks, "after {took:?} of silence it is still in effect");
        parts::all_well(site).await;
        pair.attested(&uid).await;
        pair.is_as_before().await;
        let status = run.over_within(Duration::from_secs(60)).await;
        assert_eq!(status["verdict"], "Aborted", "{status:#}");
    });
}
