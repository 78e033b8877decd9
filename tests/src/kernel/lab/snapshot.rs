//! What the machine's tools say about a lab: taken before and after, it shows what was left behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

use super::Namespace;
use super::normalise::normalise;

/// What is asked, of whom.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("nft", &["list", "ruleset"]),
    ("iptables-save", &[]),
    ("ip6tables-save", &[]),
    ("tc", &["qdisc", "show"]),
    ("ip", &["-details", "link", "show"]),
    ("ip", &["address", "show"]),
    ("ip", &["route", "show", "table", "all"]),
    ("ip", &["-6", "route", "show", "table", "all"]),
    ("ip", &["rule", "show"]),
];

/// Tools that fail where the kernel has no nf_tables.
const RULES: &[&str] = &["nft", "iptables-save", "ip6tables-save"];

/// The tools' answers at one instant, less what moves by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    answers: BTreeMap<String, String>,
}

impl Snapshot {
    /// Asks the tools inside of each of the namespaces.
    ///
    /// # Errors
    /// If a tool cannot be run or fails.
    pub fn take(namespaces: &[&Namespace]) -> Result<Self> {
        let mut answers = BTreeMap::new();
        for namespace in namespaces {
            for (tool, args) in QUESTIONS {
                // A kernel without nf_tables answers with an error, which is compared like an answer.
                // That the tools do answer where they can is what the harness's own cases prove.
                let text = match namespace.tool(tool, args) {
                    Err(error) if RULES.contains(tool) => format!("{error:#}\n"),
                    other => other?,
                };
                answers.insert(format!("{} {tool} {}", namespace.name(), args.join(" ")), normalise(tool, &text));
            }
        }
        Ok(Self { answers })
    }

    /// Returns the lines that only one of the two snapshots has, under the question that they
    /// answer; empty if the snapshots are equal.
    #[must_use]
    pub fn difference(&self, later: &Self) -> String {
        let mut out = String::new();
        for (question, before) in &self.answers {
            let after = later.answers.get(question).map_or("", String::as_str);
            if before == after {
                continue;
            }
            let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| ('-', line));
            let come = after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| ('+', line));
            let lines: Vec<String> = gone.chain(come).map(|(sign, line)| format!("  {sign} {line}")).collect();
            let lines =
                if lines.is_empty() { "  same lines in another order or number".to_owned() } else { lines.join("\n") };
            // Writing to a String cannot fail.
            if writeln!(out, "{question}\n{lines}").is_err() {
                break;
            }
        }
        out
    }
}
