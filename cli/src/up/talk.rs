//! What is said over the daemon's socket: one request, and answers until the end, each a line of JSON.

use super::report::Report as Scheduled;
use crate::commands::run::Report;
use crate::failure::Failure;
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::plan::Plan;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};

/// Longest line: a policy has at most 1 MiB, and may be written with more bytes as a text of JSON.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What a command asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// A run by hand; it ends early when its command ends.
    Run(Box<Order>),
    /// What will happen in so many days.
    Schedule { days: u32, policy: Option<String> },
    /// Ends the run that this connection asked for.
    Stop { by: String },
}

/// A run by hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// Name of the file, for people.
    pub file: String,
    /// What stands in it.
    pub text: String,
    pub seed: Option<String>,
    /// As `--plan-hash` has it.
    pub plan_hash: Option<String>,
    /// As `--for` has it.
    pub duration: Option<String>,
    /// Who says to ask, for people.
    pub by: String,
}

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Said {
    /// A run is recorded under this name.
    Taken {
        run: String,
    },
    Planned(Vec<Plan>),
    Begun(Vec<Injection>),
    Attested(Box<Attestation>),
    Ended(Box<Report>),
    Scheduled(Box<Scheduled>),
    /// It was not done.
    Failed {
        what: String,
        hint: String,
    },
}

impl Said {
    /// Tells why something is not done.
    pub(super) fn failed(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), hint: hint.into() }
    }

    pub(super) fn of_failure(failure: &Failure) -> Self {
        match failure {
            Failure::Usage { what, hint } | Failure::Refused { what, hint } | Failure::Restore { what, hint } => {
                Self::failed(what, hint)
            }
            Failure::Problems { file, problems } => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let hint = problems.first().map(|problem| problem.hint.clone()).unwrap_or_default();
                Self::failed(format!("{file}: {}", all.join("; ")), hint)
            }
        }
    }
}

/// Writes one line.
///
/// # Errors
/// The other side is gone.
pub(super) fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line; none at the end.
///
/// # Errors
/// It is too long, or no such value.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(LONGEST).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n") {
        Some(line) => Ok(Some(serde_json::from_slice(line)?)),
        None if line.is_empty() => Ok(None),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the line has no end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn what_is_written_is_read_and_half_a_line_is_an_error() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Request::Stop { by: "Ctrl-C\nx".into() }).unwrap();
        write(&mut pipe, &Said::Taken { run: "1".into() }).unwrap();
        pipe.extend(b"{\"taken\":");
        let mut reader = BufReader::new(pipe.as_slice());
        assert!(matches!(read::<Request>(&mut reader), Ok(Some(Request::Stop { by })) if by == "Ctrl-C\nx"));
        assert!(matches!(read::<Said>(&mut reader), Ok(Some(Said::Taken { run })) if run == "1"));
        assert!(read::<Said>(&mut reader).is_err());
        assert!(matches!(read::<Said>(&mut reader), Ok(None)));
    }
}
