//! The delay worker against the real kernel: two network namespaces, real packets, real deaths. Needs root.
//!
//! The binary has four roles: `worker` (what the agent executes again), `parent` (one that gets killed), `numbers`
//! (measurements, printed, never asserted), and without an argument the cases. A part of a name as argument runs the
//! cases with that name.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a test program"
)]

mod cases;
mod net;
mod numbers;
mod rule;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("worker") => {
            assert_eq!(words.get(1).map(String::as_str), Some("delay"));
            rumpus_agent::worker::delay::main(words.into_iter().skip(2))
        }
        Some("parent") => cases::parent(&words[1]),
        Some("numbers") => numbers::run(),
        Some(name) if !name.starts_with('-') => run(Some(name)),
        Some(_) | None => run(None),
    }
}

fn run(only: Option<&str>) -> ExitCode {
    let mut failed = 0;
    let mut ran = 0;
    for (name, case) in cases::ALL {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        ran += 1;
        let start = std::time::Instant::now();
        let passed = std::panic::catch_unwind(case).is_ok();
        println!("{} {name} ({:.1?})", if passed { "ok    " } else { "FAILED" }, start.elapsed());
        failed += u32::from(!passed);
    }
    println!("{ran} cases, {failed} failed");
    if failed > 0 || ran == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
