//! The client's view as a picture of plain text: time goes right, slow is high, and a mark shows when each fault was
//! in effect. Pure.

use super::measure::Window;
use super::service::line::Sample;
use std::time::Duration;

/// The widest picture, and the span of time that a column stands for at least.
const COLUMNS: u32 = 84;
const COLUMN: Duration = Duration::from_millis(250);

/// Rows from above: the label and the least median latency that is drawn there.
const ROWS: [(&str, Duration); 5] = [
    (">= 100 ms", Duration::from_millis(100)),
    (">= 30 ms", Duration::from_millis(30)),
    (">= 10 ms", Duration::from_millis(10)),
    (">= 1 ms", Duration::from_millis(1)),
    ("< 1 ms", Duration::ZERO),
];

/// One fault's time.
#[derive(Clone, Debug)]
pub struct Mark {
    pub name: &'static str,
    pub from: Duration,
    pub to: Duration,
}

/// Draws the requests that were sent between two instants.
pub fn draw(samples: &[Sample], marks: &[Mark], from: Duration, to: Duration) -> String {
    let span = to.saturating_sub(from);
    let column = COLUMN.max(span / COLUMNS);
    let mut windows = Vec::new();
    let mut at = from;
    while at < to {
        windows.push((at, Window::of(samples, at, at + column)));
        at += column;
    }
    let mut page = format!("{:>10} |{}\n", "failed", windows.iter().map(|(_, w)| failed(w)).collect::<String>());
    let mut above = Duration::MAX;
    for (label, least) in ROWS {
        let within = |w: &Window| w.requests > w.failed && w.p50 >= least && w.p50 < above;
        let row: String = windows.iter().map(|(_, w)| if within(w) { '*' } else { ' ' }).collect();
        page += &format!("{label:>10} |{}\n", row.trim_end());
        above = least;
    }
    let row: String = windows.iter().map(|(at, _)| mark(marks, *at, column)).collect();
    page += &format!("{:>10} |{}\n", "faults", row.trim_end());
    let names: Vec<String> = marks.iter().map(|m| format!("{} = {}", letter(m), m.name)).collect();
    let legend = "a column is the median of";
    page + &format!("{:>12}{}; {legend} {} ms; x most, - some failed\n", "", names.join(", "), column.as_millis())
}

fn failed(window: &Window) -> char {
    match window.failed_percent() {
        _none if window.failed == 0 => ' ',
        50.. => 'x',
        _some => '-',
    }
}

fn mark(marks: &[Mark], at: Duration, column: Duration) -> char {
    let during = |m: &&Mark| m.from < at + column && m.to >= at;
    marks.iter().find(during).map_or(' ', letter)
}

fn letter(mark: &Mark) -> char {
    mark.name.chars().next().unwrap_or('?').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::service::line::Answer;

    #[test]
    fn slow_is_high_and_failed_is_crossed() {
        let ms = Duration::from_millis;
        let sample = |at, took, answer| Sample { at: ms(at), took: ms(took), answer };
        let samples =
            [sample(0, 2, Answer::Good), sample(250, 120, Answer::Good), sample(500, 500, Answer::StoreUnavailable)];
        let marks = [Mark { name: "latency", from: ms(250), to: ms(400) }];
        let page = draw(&samples, &marks, ms(0), ms(750));
        let row = |label: &str| page.lines().find(|l| l.trim_start().starts_with(label)).unwrap().to_owned();
        assert!(row("failed").ends_with("|  x"), "{page}");
        assert!(row(">= 100").ends_with("| *"), "{page}");
        assert!(row(">= 1 ms").ends_with("|*"), "{page}");
        assert!(row("faults").ends_with("| L"), "{page}");
    }
}
