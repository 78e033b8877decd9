//! What went wrong, for people: the thing, why, and what to do about it.

use owo_colors::OwoColorize;
use rumpus_model::policy::Problem;
use rumpus_model::target::Printable;

/// Exit code of bad input.
const USAGE: u8 = 2;
/// Exit code of a "no".
const REFUSED: u8 = 3;
/// Exit code of something that is not back as it was.
const RESTORE: u8 = 5;

/// A command that did not work.
#[derive(Debug)]
pub enum Failure {
    /// The input makes no sense.
    Usage { what: String, hint: String },
    /// A file's policies make no sense.
    Problems { file: String, problems: Vec<Problem> },
    /// It was not done, and nothing was changed.
    Refused { what: String, hint: String },
    /// Something could not be put back, or it could not be seen whether it was.
    Restore { what: String, hint: String },
}

impl Failure {
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    pub fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: hint.into() }
    }

    pub fn restore(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Restore { what: what.into(), hint: hint.into() }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Problems { .. } => USAGE,
            Self::Refused { .. } => REFUSED,
            Self::Restore { .. } => RESTORE,
        }
    }

    /// Writes it to standard error.
    pub fn tell(&self) {
        let error = "error:".red().bold().to_string();
        let one = |what: &str, hint: &str| {
            anstream::eprintln!("{error} {}", Printable(what));
            anstream::eprintln!("{} {}", "hint:".cyan(), Printable(hint));
        };
        match self {
            Self::Usage { what, hint } | Self::Refused { what, hint } | Self::Restore { what, hint } => one(what, hint),
            Self::Problems { file, problems } => {
                anstream::eprintln!("{error} {} in {}", count(problems.len()), Printable(file));
                for problem in problems {
                    anstream::eprintln!("  {}", Printable(&problem.to_string()));
                    anstream::eprintln!("    {} {}", "hint:".cyan(), Printable(&problem.hint));
                }
                anstream::eprintln!("nothing was done");
            }
        }
    }
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".into() } else { format!("{problems} problems") }
}
