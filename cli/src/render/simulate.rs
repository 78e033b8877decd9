//! What a simulated stretch of time came to: figures, a histogram, and a picture.

use super::table::table;
use rumpus_model::policy::Policy;
use rumpus_model::schedule::simulate::{Input, Simulated};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most rows of a histogram; what is longer is one row.
const ROWS: u32 = 30;
/// Widest bar, in characters.
const BAR: usize = 50;
/// Most actions that are listed.
const LISTED: usize = 10;

/// What is printed for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    policy: String,
    seed: String,
    from: String,
    days: u32,
    groups: usize,
    summary: Summary,
    /// How often each gap came, in work days.
    gaps: BTreeMap<u32, usize>,
    /// How often each of several faults was drawn.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    faults: BTreeMap<String, usize>,
    /// Why slots did not act, and how many.
    refused: BTreeMap<String, usize>,
    /// At most twenty, in words.
    violations: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    actions: usize,
    mean_gap_work_days: Option<f64>,
    min_gap_work_days: Option<u32>,
    outside_window: usize,
    violations: usize,
}

/// Puts together what is printed for programs.
pub fn report(policy: &Policy, input: &Input<'_>, out: &Simulated) -> Report {
    Report {
        policy: policy.name.clone(),
        seed: input.seed.to_owned(),
        from: input.from.to_string(),
        days: input.days,
        groups: out.groups,
        summary: Summary {
            actions: out.actions.len(),
            mean_gap_work_days: out.mean_gap().map(|gap| (gap * 1000.0).round() / 1000.0),
            min_gap_work_days: out.gaps().min(),
            outside_window: out.outside_window,
            violations: out.violations,
        },
        gaps: gaps(out),
        faults: faults(out).collect(),
        refused: out.refused.clone(),
        violations: out.named.clone(),
    }
}

/// Renders a page for people.
pub fn page(policy: &Policy, input: &Input<'_>, out: &Simulated) -> String {
    let zone = input.schedule.calendar.zone.iana_name().unwrap_or("UTC");
    let mut page = format!(
        "{}: {} days from {}, {} groups, seed {}\n\n",
        policy.name,
        input.days,
        input.from.to_zoned(input.schedule.calendar.zone.clone()).strftime("%Y-%m-%d"),
        out.groups,
        input.seed
    );
    let number = |n: Option<String>| n.unwrap_or_else(|| "none".to_owned());
    let mut rows = vec![
        vec!["actions".to_owned(), out.actions.len().to_string()],
        vec!["mean gap, work days".to_owned(), number(out.mean_gap().map(|gap| format!("{gap:.2}")))],
        vec!["shortest gap, work days".to_owned(), number(out.gaps().min().map(|gap| gap.to_string()))],
        vec!["outside a window".to_owned(), out.outside_window.to_string()],
        vec!["limits broken".to_owned(), out.violations.to_string()],
    ];
    rows.extend(faults(out).map(|(fault, count)| vec![fault, count.to_string()]));
    page += &table(&["WHAT", "HOW MANY"], rows);
    page += &histogram(out);
    if !out.refused.is_empty() {
        let mut rows: Vec<(&String, &usize)> = out.refused.iter().collect();
        rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let rows = rows.into_iter().take(LISTED).map(|(why, count)| vec![count.to_string(), why.clone()]).collect();
        page += "\n";
        page += &table(&["NOT DONE", "WHY"], rows);
    }
    if !out.actions.is_empty() {
        let rows = out.actions.iter().take(LISTED).map(|action| {
            let local = action.at.to_zoned(input.schedule.calendar.zone.clone());
            vec![local.strftime("%a %Y-%m-%d %H:%M").to_string(), action.group.clone(), action.victims.join(", ")]
        });
        let head = format!("FIRST ({zone})");
        page += "\n";
        page += &table(&[&head, "GROUP", "VICTIMS"], rows.collect());
    }
    for one in &out.named {
        page += &(format!("broken: {one}") + "\n");
    }
    page
}

/// Of a policy that lists several.
fn faults(out: &Simulated) -> impl Iterator<Item = (String, usize)> + '_ {
    out.faults.iter().map(|((index, name), count)| (format!("faults[{index}] {name}"), *count))
}

fn gaps(out: &Simulated) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for gap in out.gaps() {
        *counts.entry(gap).or_default() += 1;
    }
    counts
}

/// The gaps as bars, the long ones together.
fn bars(out: &Simulated) -> Vec<(String, usize)> {
    let counts = gaps(out);
    let longest = counts.keys().max().copied().unwrap_or(0).min(ROWS);
    let mut rows: Vec<(String, usize)> = (0..longest)
        .filter(|gap| *gap > 0 || counts.contains_key(gap))
        .map(|gap| (gap.to_string(), counts.get(&gap).copied().unwrap_or(0)))
        .collect();
    let rest: usize = counts.range(longest..).map(|(_, count)| count).sum();
    if rest > 0 {
        let more = counts.range(longest + 1..).next().is_some();
        rows.push((if more { format!("{longest}+") } else { longest.to_string() }, rest));
    }
    rows
}

fn histogram(out: &Simulated) -> String {
    let bars = bars(out);
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let mut text = "\ngap, work days\n".to_owned();
    for (gap, count) in bars {
        let bar = "#".repeat((count * BAR).div_ceil(most));
        text += format!("{gap:>4} {count:>8} {bar}").trim_end();
        text += "\n";
    }
    text
}

/// Draws the histogram of the gaps.
pub fn svg(policy: &Policy, input: &Input<'_>, out: &Simulated) -> String {
    let bars = bars(out);
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let (height, top, left, step) = (220, 60, 50, 24);
    let width = left + step * bars.len().max(10) + 30;
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = format!(
        "{}: {} actions of {} groups in {} days, mean gap {} work days, {} outside a window",
        plain(&policy.name),
        out.actions.len(),
        out.groups,
        input.days,
        out.mean_gap().map_or_else(|| "-".to_owned(), |gap| format!("{gap:.2}")),
        out.outside_window
    );
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"20\" font-size=\"13\">{title}</text>\n\
         <text x=\"10\" y=\"40\" fill=\"#555\">how often each gap came, in work days</text>\n",
        width.max(640),
        top + height + 50
    );
    for (index, (gap, count)) in bars.iter().enumerate() {
        let bar = (count * height).div_ceil(most);
        let (x, y) = (left + index * step, top + height - bar);
        text += &(format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{bar}\" fill=\"#3b6ea5\"><title>{gap}: {count}</title></rect>",
            step - 4
        ) + "\n");
        text += &(format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{gap}</text>",
            x + (step - 4) / 2,
            top + height + 16
        ) + "\n");
    }
    text +=
        &(format!("<line x1=\"{left}\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" stroke=\"black\"/>", top + height, width - 20)
            + "\n");
    text += &(format!("<text x=\"5\" y=\"{}\">{most}</text>", top + 10) + "\n");
    text + "</svg>\n"
}
