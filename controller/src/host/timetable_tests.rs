//! A slot runs once at most: whoever is killed and when, whatever the clock does, and whatever stands in the files.

use super::fake::{Daemon, Disk, at, file, judged};
use super::judge::Calendars;
use super::timetable::{Withdrawn, still_wanted};
use rumpus_model::policy::parse;

const TENS: &str = "mode: Armed\n  schedule: {every: 10m}";

fn one(spec: &str) -> Vec<(&'static str, String)> {
    vec![("a.yaml", file("a", spec))]
}

#[test]
fn fifty_restarts_change_nothing() {
    let disk = Disk::default();
    let mut daemon = Daemon::start(&disk, "2026-11-30T09:55:00Z", &one(TENS));
    daemon.tick("2026-11-30T09:55:00Z");
    for second in 0..50 {
        daemon = daemon.restart(&format!("2026-11-30T10:00:{second:02}Z"));
        daemon.tick(&format!("2026-11-30T10:00:{second:02}Z"));
    }
    assert_eq!(daemon.log, ["begin a-20261130t100000"]);
    // What was begun and has no end is told, and counts.
    let record = daemon.history.records().values().next().unwrap();
    assert_eq!((record.begun, record.hit), (None, Some(at("2026-11-30T10:00:00Z"))));
    let run = daemon.history.runs().next().unwrap();
    assert!(run.ended.is_some() && run.outcome.is_none() && run.note.is_some(), "{run:?}");
}

#[test]
fn what_cannot_be_recorded_does_not_begin_and_begins_once_it_can() {
    let disk = Disk::default();
    let mut daemon = Daemon::start(&disk, "2026-11-30T09:55:00Z", &one(TENS));
    daemon.tick("2026-11-30T09:55:00Z");
    disk.full.set(true);
    daemon.tick("2026-11-30T10:00:00Z");
    daemon.tick("2026-11-30T10:00:20Z");
    assert_eq!((daemon.begun(), daemon.live.len()), (0, 0), "{:?}", daemon.log);
    disk.full.set(false);
    daemon.tick("2026-11-30T10:00:40Z");
    assert_eq!(daemon.begun(), 1, "{:?}", daemon.log);
}

#[test]
fn an_end_that_is_not_on_disk_lets_nothing_begin() {
    let disk = Disk::default();
    let mut daemon = Daemon::start(&disk, "2026-11-30T09:55:00Z", &one(TENS));
    daemon.tick("2026-11-30T09:55:00Z");
    daemon.tick("2026-11-30T10:00:00Z");
    disk.full.set(true);
    let who = daemon.judged.policies["a"].who();
    daemon.history.change(&who, &super::fake::settle(&daemon, &who));
    daemon.live.clear();
    daemon.tick("2026-11-30T10:10:00Z");
    assert_eq!(daemon.begun(), 1, "{:?}", daemon.log);
}

#[test]
fn a_new_policy_has_no_past_and_many_missed_slots_are_one() {
    let disk = Disk::default();
    let mut daemon = Daemon::start(&disk, "2026-11-30T10:00:30Z", &one(TENS));
    let wake = daemon.tick("2026-11-30T10:00:30Z");
    assert_eq!((daemon.log.len(), wake), (0, Some(at("2026-11-30T10:10:00Z"))));
    // Nobody was there for five hours.
    let mut daemon = daemon.restart("2026-11-30T15:05:00Z");
    daemon.tick("2026-11-30T15:05:00Z");
    daemon.tick("2026-11-30T15:05:01Z");
    assert_eq!(daemon.log, ["Missed a 20261130t150000"]);
    daemon.tick("2026-11-30T15:10:00Z");
    assert_eq!(daemon.begun(), 1);
}

#[test]
fn slots_that_are_all_in_time_do_not_run_in_a_burst() {
    for concurrency in ["Allow", "Forbid", "Replace"] {
        let spec = format!("mode: Armed\n  schedule: {{every: 1m, startingDeadline: 1h, concurrency: {concurrency}}}");
        let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:59:30Z", &one(&spec));
        daemon.tick("2026-11-30T09:59:30Z");
        for second in ["00", "01", "02"] {
            daemon.tick(&format!("2026-11-30T10:30:{second}Z"));
            daemon.end_all("2026-11-30T10:30:03Z", true);
        }
        assert_eq!(daemon.begun(), 1, "{concurrency}: {:?}", daemon.log);
        assert_eq!(daemon.log.iter().filter(|line| line.starts_with("Superseded")).count(), 30);
    }
}

#[test]
fn a_clock_that_is_put_back_repeats_nothing_and_one_put_forward_makes_up_for_nothing() {
    let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &one(TENS));
    daemon.tick("2026-11-30T09:55:00Z");
    daemon.tick("2026-11-30T10:10:00Z");
    daemon.end_all("2026-11-30T10:10:01Z", true);
    for now in ["2026-11-30T09:56:00Z", "2026-11-30T10:00:00Z", "2026-11-30T10:10:00Z"] {
        daemon.tick(now);
    }
    assert_eq!(daemon.log, ["Missed a 20261130t100000", "begin a-20261130t101000"]);
    daemon.tick("2026-11-30T20:05:00Z");
    assert_eq!(daemon.log.last().unwrap(), "Missed a 20261130t200000");
    // Far behind what is recorded, nothing is believed.
    daemon.tick("2026-11-30T20:10:00Z");
    daemon.end_all("2026-11-30T20:10:01Z", true);
    let begun = daemon.begun();
    daemon.tick("2026-11-30T12:00:00Z");
    assert_eq!(daemon.begun(), begun);
}

#[test]
fn forbid_skips_allow_goes_beside_and_replace_ends_the_old_one_first() {
    let run = |concurrency: &str| {
        let spec = format!("mode: Armed\n  schedule: {{every: 10m, concurrency: {concurrency}}}");
        let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &one(&spec));
        daemon.tick("2026-11-30T09:55:00Z");
        daemon.tick("2026-11-30T10:00:00Z");
        daemon.tick("2026-11-30T10:10:00Z");
        daemon
    };
    assert_eq!(run("Forbid").log, ["begin a-20261130t100000", "StillRunning a 20261130t101000"]);
    assert_eq!(run("Allow").log, ["begin a-20261130t100000", "begin a-20261130t101000"]);
    let mut daemon = run("Replace");
    assert_eq!(daemon.log, ["begin a-20261130t100000", "stop a-20261130t100000"]);
    daemon.end_all("2026-11-30T10:10:05Z", true);
    daemon.tick("2026-11-30T10:10:05Z");
    assert_eq!(daemon.log.last().unwrap(), "begin a-20261130t101000");
    // One that does not end in time costs the slot.
    let mut daemon = run("Replace");
    daemon.tick("2026-11-30T10:11:01Z");
    assert_eq!(daemon.log.last().unwrap(), "Missed a 20261130t101000");
}

#[test]
fn a_persons_run_is_not_replaced() {
    let spec = "mode: Armed\n  schedule: {every: 10m, concurrency: Replace}";
    let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &one(spec));
    daemon.tick("2026-11-30T09:55:00Z");
    daemon.tick("2026-11-30T10:00:00Z");
    daemon.live[0].0.by_hand = true;
    daemon.tick("2026-11-30T10:10:00Z");
    assert_eq!(daemon.log, ["begin a-20261130t100000"]);
}

#[test]
fn suspended_unscheduled_and_malformed_ones_do_nothing_and_the_rest_runs() {
    let mut files: Vec<(String, String)> =
        (0..50).map(|n| (format!("{n:02}.yaml"), file(&format!("p{n}"), TENS))).collect();
    files[7].1 = file("p7", "mode: Armed\n  schedule: {every: 10 parsecs}");
    files[8].1 = file("p8", "mode: Armed\n  suspend: true\n  schedule: {every: 10m}");
    files[9].1 = file("p9", "mode: Armed");
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &files);
    let (name, problems) = daemon.judged.problems.first_key_value().unwrap();
    assert_eq!((name.as_str(), problems[0].path.as_str()), ("07.yaml", "spec.schedule.every"));
    assert!(!problems[0].hint.is_empty() && daemon.judged.problems.len() == 1);
    daemon.tick("2026-11-30T09:55:00Z");
    daemon.tick("2026-11-30T10:00:00Z");
    assert_eq!((daemon.begun(), daemon.judged.policies.len()), (47, 49));
}

#[test]
fn dry_runs_have_a_record_of_their_own() {
    let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &one("schedule: {every: 10m}"));
    daemon.tick("2026-11-30T09:55:00Z");
    daemon.tick("2026-11-30T10:00:00Z");
    daemon.end_all("2026-11-30T10:00:01Z", true);
    daemon.judged = judged(&one(TENS), &Calendars::new());
    daemon.tick("2026-11-30T10:05:00Z");
    daemon.tick("2026-11-30T10:10:00Z");
    let records: Vec<bool> = daemon.history.records().keys().map(|who| who.dry_run).collect();
    assert_eq!((daemon.begun(), records), (2, vec![false, true]));
}

#[test]
fn two_files_with_one_name_are_both_refused_with_both_names() {
    let said = judged(
        &[("a.yaml", file("x", TENS)), ("b.yml", file("x", TENS)), ("c.yaml", file("y", TENS))],
        &Calendars::new(),
    );
    assert_eq!(said.policies.keys().collect::<Vec<_>>(), ["y"]);
    let words = |name: &str| said.problems[name][0].what.clone();
    assert_eq!(words("a.yaml"), "the policy `x` is also in b.yml");
    assert_eq!(words("b.yml"), "the policy `x` is also in a.yaml");
}

#[test]
fn what_a_host_cannot_do_is_refused_by_its_field() {
    let said = judged(&one("schedule: {every: 1h, groupBy: Owner}"), &Calendars::new());
    let problem = &said.problems["a.yaml"][0];
    assert_eq!(
        (problem.path.as_str(), problem.hint.as_str()),
        ("spec.schedule.groupBy", "write `groupBy: Policy`, or leave it out")
    );
    for good in ["schedule: {every: 1h, groupBy: Policy}", "schedule: {random: {meanWorkDays: 2}}"] {
        assert!(judged(&one(good), &Calendars::new()).problems.is_empty(), "{good}");
    }
}

#[test]
fn calendars_are_holidays_and_one_that_cannot_be_read_lets_nothing_run() {
    let day = |text: &str| Ok([text.parse().unwrap()].into());
    let calendars = |pairs: &[(&str, Result<_, String>)]| -> Calendars {
        pairs.iter().map(|(name, days)| ((*name).to_owned(), days.clone())).collect()
    };
    let named = "mode: Armed\n  schedule: {every: 10m, holidays: {calendars: [de]}}";
    let problem = |calendars: &Calendars| judged(&one(named), calendars).problems["a.yaml"][0].what.clone();
    assert_eq!(problem(&Calendars::new()), "there is no calendar `de`");
    assert!(problem(&calendars(&[("de", Err("gone".into()))])).contains("cannot be read: gone"));
    let freeze = calendars(&[("freeze", Err("gone".into()))]);
    assert!(judged(&one(TENS), &freeze).problems["a.yaml"][0].what.contains("`freeze`"));
    assert!(judged(&one("mode: Armed"), &freeze).problems.is_empty());
    let begun = |calendars: &Calendars, spec: &str| {
        let mut daemon = Daemon::start(&Disk::default(), "2026-11-30T09:55:00Z", &one(spec));
        daemon.judged = judged(&one(spec), calendars);
        daemon.tick("2026-11-30T09:55:00Z");
        daemon.tick("2026-11-30T10:00:00Z");
        daemon.begun()
    };
    assert_eq!(begun(&calendars(&[("de", day("2026-12-25"))]), named), 1);
    assert_eq!(begun(&calendars(&[("de", day("2026-11-30"))]), named), 0);
    assert_eq!(begun(&calendars(&[("freeze", day("2026-11-30"))]), TENS), 0);
}

#[test]
fn a_minimum_gap_is_kept_over_a_restart() {
    let spec = "mode: Armed\n  schedule: {random: {meanWorkDays: 2, minWorkDays: 2}}";
    let mut daemon = Daemon::start(&Disk::default(), "2026-11-02T00:00:00Z", &one(spec));
    let mut hits = Vec::new();
    for day in 2..=27 {
        for minute in 0..(6 * 60) {
            let now = format!("2026-11-{day:02}T{:02}:{:02}:00Z", 9 + minute / 60, minute % 60);
            daemon.tick(&now);
            if !daemon.live.is_empty() {
                hits.push(day);
                daemon.end_all(&now, true);
            }
        }
        daemon = daemon.restart(&format!("2026-11-{day:02}T15:00:00Z"));
    }
    let work_days = |from: i32, to: i32| (from..to).filter(|day| !matches!(day % 7, 0 | 1)).count();
    assert!(hits.len() >= 5, "{hits:?}");
    assert!(hits.windows(2).all(|pair| work_days(pair[0], pair[1]) >= 2), "{hits:?}");
}

#[test]
fn a_run_is_judged_once_more_after_it_was_planned() {
    let said = judged(&one("mode: Armed\n  schedule: {at: \"2026-11-30T10:00:00Z\"}"), &Calendars::new());
    let (until, now) = (at("2026-11-30T10:01:00Z"), at("2026-11-30T10:00:01Z"));
    let listed = &said.policies["a"];
    assert_eq!(still_wanted(Some(listed), 1, until, now), Ok(()));
    assert_eq!(still_wanted(None, 1, until, now), Err(Withdrawn::Gone));
    assert_eq!(still_wanted(Some(listed), 2, until, now), Err(Withdrawn::Changed));
    assert_eq!(still_wanted(Some(listed), 1, until, at("2026-11-30T10:01:01Z")), Err(Withdrawn::TooLate { until }));
    assert!(parse(&file("a", "suspend: true")).is_ok());
    let suspended = judged(&one("suspend: true\n  schedule: {every: 1h}"), &Calendars::new());
    assert_eq!(still_wanted(suspended.policies.get("a"), 1, until, now), Err(Withdrawn::Gone));
}

#[test]
fn no_more_begin_than_the_rate_says_also_after_a_restart() {
    let (disk, files) =
        (Disk::default(), one("mode: Armed\n  schedule: {every: 10m, rate: {runs: 2, per: 1h}, concurrency: Allow}"));
    let mut daemon = Daemon::start(&disk, "2026-11-30T09:55:00Z", &files);
    daemon.tick("2026-11-30T09:55:00Z");
    for time in ["10:00", "10:10", "10:20", "10:50", "11:00", "11:09"] {
        daemon = daemon.restart(&format!("2026-11-30T{time}:00Z"));
        daemon.tick(&format!("2026-11-30T{time}:00Z"));
    }
    let begun: Vec<&String> = daemon.log.iter().filter(|line| line.starts_with("begin")).collect();
    assert_eq!(begun, ["begin a-20261130t100000", "begin a-20261130t101000", "begin a-20261130t110000"]);
    assert!(daemon.log.iter().any(|line| line.starts_with("RateExhausted a")), "{:?}", daemon.log);
}
