//! The lines that services write for the demo: one per event, words divided by spaces.

use std::time::Duration;

/// How one request of the client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Good,
    /// The api answered that its store does not.
    StoreUnavailable,
    /// No api process answered: refused, reset, or silence.
    NoApi,
}

/// One request as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was sent, a time of CLOCK_BOOTTIME.
    pub at: Duration,
    pub took: Duration,
    pub answer: Answer,
}

/// What a service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Failed(String),
    Ready,
    Sample(Sample),
    /// The supervisor started the api process of a port, in place of one that died.
    Started {
        port: u16,
        pid: u32,
        instead_of: Option<u32>,
    },
}

pub fn failed(why: &str) -> String {
    format!("failed {why}")
}

pub fn ready() -> String {
    "ready".into()
}

pub fn sample(sample: &Sample) -> String {
    let answer = match sample.answer {
        Answer::Good => "good",
        Answer::StoreUnavailable => "store",
        Answer::NoApi => "api",
    };
    format!("sample {} {} {answer}", sample.at.as_nanos(), sample.took.as_nanos())
}

pub fn started(port: u16, pid: u32, instead_of: Option<u32>) -> String {
    format!("started {port} {pid} {}", instead_of.unwrap_or(0))
}

/// Reads a line; none for what is not one.
pub fn parse(line: &str) -> Option<Line> {
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split(' ');
    match kind {
        "failed" => Some(Line::Failed(rest.to_owned())),
        "ready" => Some(Line::Ready),
        "sample" => {
            let at = Duration::from_nanos(words.next()?.parse().ok()?);
            let took = Duration::from_nanos(words.next()?.parse().ok()?);
            let answer = match words.next()? {
                "good" => Answer::Good,
                "store" => Answer::StoreUnavailable,
                "api" => Answer::NoApi,
                _unknown => return None,
            };
            Some(Line::Sample(Sample { at, took, answer }))
        }
        "started" => {
            let (port, pid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let before: u32 = words.next()?.parse().ok()?;
            Some(Line::Started { port, pid, instead_of: (before != 0).then_some(before) })
        }
        _unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_writes_the_demo_reads() {
        for answer in [Answer::Good, Answer::StoreUnavailable, Answer::NoApi] {
            let one = Sample { at: Duration::from_nanos(7), took: Duration::from_millis(3), answer };
            assert_eq!(parse(&sample(&one)), Some(Line::Sample(one)));
        }
        let again = Line::Started { port: 7021, pid: 12, instead_of: Some(11) };
        assert_eq!(parse(&started(7021, 12, Some(11))), Some(again));
        assert_eq!(parse(&ready()), Some(Line::Ready));
        assert_eq!(parse(&failed("no such role")), Some(Line::Failed("no such role".into())));
        assert_eq!(parse("sample 1 2 odd"), None);
    }
}
