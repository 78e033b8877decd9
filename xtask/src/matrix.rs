//! The matrix of fault, engine and kernel: how many cases ran in each cell, and which cell is empty.
//!
//! An empty cell is a failure unless `docs/not-tested.md` names it with its reason; a cell that is
//! named there and has cases is one as well, because the page would lie.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::ktest::Case;
use crate::place;
use crate::steps::Count;

/// Fault, engine, kernel.
type Cell = [String; 3];

/// Where the cells that cannot be tested stand.
const PAGE: &str = "docs/not-tested.md";

/// Prints the matrix and returns every reason why it is not complete.
pub(crate) fn print(cells: &[String], cases: &[Case]) -> Result<Vec<String>> {
    let cells: Vec<Cell> = cells.iter().map(|line| cell(line.split_whitespace())).collect::<Result<_>>()?;
    let page = place::root()?.join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| format!("read {}", page.display()))?;
    let excused = excused(&text)?;
    println!("\n{:<12} {:<10} {:<6} {:>7} {:>7}", "fault", "engine", "kernel", "passed", "failed");
    for cell in &cells {
        let [fault, engine, kernel] = cell;
        let count = count(cell, cases);
        let reason = excused.get(cell).map_or("", String::as_str);
        let Count { passed, failed } = count;
        println!("{}", format!("{fault:<12} {engine:<10} {kernel:<6} {passed:>7} {failed:>7}  {reason}").trim_end());
    }
    Ok(judge(&cells, cases, &excused))
}

fn judge(cells: &[Cell], cases: &[Case], excused: &BTreeMap<Cell, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for cell in cells {
        let name = cell.join(" ");
        match (count(cell, cases) == Count::default(), excused.contains_key(cell)) {
            (true, false) => wrong.push(format!("{name}: no case ran, and {PAGE} does not say why")),
            (false, true) => wrong.push(format!("{name}: cases ran, and {PAGE} says that it is not tested")),
            (true, true) | (false, false) => {}
        }
    }
    let unknown = |cell: &&Cell| !cells.contains(cell);
    wrong.extend(excused.keys().filter(unknown).map(|cell| format!("{}: {PAGE} names no cell", cell.join(" "))));
    wrong.extend(
        cases.iter().map(|case| &case.cell).filter(unknown).map(|cell| format!("{}: not a cell", cell.join(" "))),
    );
    wrong
}

fn count(cell: &Cell, cases: &[Case]) -> Count {
    let passed = |wanted| cases.iter().filter(|case| case.cell == *cell && case.passed == wanted).count();
    Count { passed: passed(true), failed: passed(false) }
}

fn cell<'a>(words: impl Iterator<Item = &'a str>) -> Result<Cell> {
    let words: Vec<String> = words.map(str::to_owned).collect();
    words.try_into().map_err(|words| anyhow::anyhow!("expected fault, engine and kernel: {words:?}"))
}

/// Reads the rows `| fault | engine | kernel | why |` of the page.
fn excused(text: &str) -> Result<BTreeMap<Cell, String>> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [fault, engine, kernel, why] = columns.as_slice() else { continue };
        if *fault == "fault" || fault.starts_with('-') {
            continue;
        }
        ensure!(!why.is_empty(), "{PAGE}: {fault} {engine} {kernel} has no reason");
        rows.insert(cell([*fault, *engine, *kernel].into_iter())?, (*why).to_owned());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_TEXT: &str =
        "| fault | engine | kernel | why |\n|---|---|---|---|\n| latency | netem | host | no module |\n";

    fn named(words: &str) -> Cell {
        cell(words.split(' ')).unwrap()
    }

    fn ran(words: &str) -> Case {
        Case { name: "a".to_owned(), cell: named(words), passed: true }
    }

    #[test]
    fn an_empty_cell_is_wrong_unless_the_page_names_it() {
        let excused = excused(PAGE_TEXT).unwrap();
        let cells = [named("latency netem host"), named("loss nft host")];
        assert_eq!(judge(&cells, &[ran("loss nft host")], &excused), Vec::<String>::new());
        assert_eq!(judge(&cells, &[], &excused).len(), 1);
    }

    #[test]
    fn a_page_that_names_a_tested_or_unknown_cell_is_wrong() {
        let excused = excused(PAGE_TEXT).unwrap();
        assert_eq!(judge(&[named("latency netem host")], &[ran("latency netem host")], &excused).len(), 1);
        assert_eq!(judge(&[], &[], &excused).len(), 1);
    }
}
