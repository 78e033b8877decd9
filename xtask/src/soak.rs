//! The long test: every step with cases that repeat themselves, then the fuzz targets, then every defect that a run can
//! plant, on both kernels. A defect that no case notices is a failure.

use std::process::ExitCode;

use anyhow::Result;

use crate::ktest::{self, Asked};
use crate::steps::{Count, Steps};
use crate::{fuzz, mutants, test};

/// Runs the long test.
pub(crate) fn run() -> Result<ExitCode> {
    let tests = test::run(&test::Flags::default(), true)?;
    let mut more = Steps::default();
    more.run("kernel in bare qemu", bare_guest);
    more.run("fuzz", fuzz::soak);
    more.run("mutants", mutants::soak);
    let table = sabotages()?;
    Ok(if tests == ExitCode::SUCCESS && more.total().failed == 0 && table.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Kills have to work on a kernel that has none of what network faults need.
fn bare_guest() -> Result<Count> {
    let without = ["netem", "nft", "nfqueue"].map(str::to_owned).to_vec();
    let asked = Asked { soak: true, without, filter: Some("kill/".to_owned()), ..Asked::default() };
    Ok(ktest::in_guest(&asked)?.count())
}

/// Plants each defect in turn and prints which cases turned red. A defect has to be noticed in each cell that it can
/// show in: on this kernel, and in the guest where this kernel lacks the engine.
pub(crate) fn sabotages() -> Result<Count> {
    let mut count = Count::default();
    let mut table = Vec::new();
    let cells = ktest::list("sabotaged-cells")?;
    let here: Vec<String> = ktest::list("list")?.into_iter().filter(|case| case.contains("host")).collect();
    for name in ktest::list("sabotages")? {
        println!("== sabotage {name}");
        let asked = Asked { sabotage: Some(name.clone()), ..Asked::default() };
        let wanted: Vec<String> =
            cells.iter().filter_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned)).collect();
        let mut cases = ktest::on_host(&asked)?.cases;
        for cell in wanted.iter().map(|cell| format!("{}:", cell.replace(' ', "/"))) {
            if here.iter().any(|case| case.starts_with(&cell)) {
                continue;
            }
            let asked = Asked { filter: Some(cell), ..asked.clone() };
            cases.extend(ktest::in_guest(&asked)?.cases);
        }
        let red: Vec<ktest::Case> = cases.into_iter().filter(|case| !case.passed).collect();
        let missed: Vec<String> =
            wanted.into_iter().filter(|cell| !red.iter().any(|case| case.cell[..2].join(" ") == *cell)).collect();
        if red.is_empty() || !missed.is_empty() {
            count.failed += 1;
        } else {
            count.passed += 1;
        }
        table.push((name, red, missed));
    }
    for (name, red, missed) in table {
        println!("sabotage {name}: {} red", red.len());
        for case in red {
            println!("    {}", label(case));
        }
        for cell in missed {
            println!("    NOT NOTICED in {cell}");
        }
    }
    println!("{} sabotages noticed in every cell, {} not", count.passed, count.failed);
    Ok(count)
}

fn label(case: ktest::Case) -> String {
    format!("{}: {}", case.cell.join(" "), case.name)
}
