//! What a worker is told on its command line, written by the parent and read by the worker.

use rumpus_model::change::Delay;
use std::num::ParseIntError;
use std::time::Duration;

/// What one delay worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayArgs {
    /// Random id of the agent's state dir; for who looks at the process list.
    pub instance: String,
    /// The fault's id within the instance.
    pub id: String,
    /// NFQUEUE number in the target's network namespace.
    pub queue: u16,
    pub delay: Delay,
    /// When the worker lets go, a time of CLOCK_BOOTTIME; the kernel kills it [`super::delay::GRACE`] later.
    pub until: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

/// Why a command line is not a worker's.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    #[error("argument {name} is missing")]
    Missing { name: &'static str },
    #[error("argument {name} is not a number in range: {text}")]
    Number {
        name: &'static str,
        text: String,
        #[source]
        source: ParseIntError,
    },
    #[error("unknown order mode: {text}")]
    Order { text: String },
}

impl DelayArgs {
    /// Returns the words that [`DelayArgs::parse`] reads, in its order.
    pub fn words(&self) -> Vec<String> {
        vec![
            self.instance.clone(),
            self.id.clone(),
            self.queue.to_string(),
            self.delay.delay.as_nanos().to_string(),
            self.delay.jitter.as_nanos().to_string(),
            String::from(if self.delay.reorder { "reorder" } else { "ordered" }),
            self.until.as_nanos().to_string(),
            self.seed.to_string(),
        ]
    }

    /// Reads the words that follow `worker delay`.
    ///
    /// # Errors
    /// [`ArgsError`] names the first word that is missing or wrong.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, ArgsError> {
        let mut words = words.into_iter();
        let mut next = |name| words.next().ok_or(ArgsError::Missing { name });
        Ok(Self {
            instance: next("instance")?,
            id: next("id")?,
            queue: number("queue", next("queue")?)?,
            delay: Delay {
                delay: Duration::from_nanos(number("delay", next("delay")?)?),
                jitter: Duration::from_nanos(number("jitter", next("jitter")?)?),
                reorder: match next("order")?.as_str() {
                    "reorder" => true,
                    "ordered" => false,
                    other => return Err(ArgsError::Order { text: other.to_owned() }),
                },
            },
            until: Duration::from_nanos(number("until", next("until")?)?),
            seed: number("seed", next("seed")?)?,
        })
    }
}

fn number<N: std::str::FromStr<Err = ParseIntError>>(name: &'static str, text: String) -> Result<N, ArgsError> {
    text.parse().map_err(|source| ArgsError::Number { name, text, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parent_writes_the_worker_reads() {
        for reorder in [false, true] {
            let args = DelayArgs {
                instance: "a1b2".into(),
                id: "f-1".into(),
                queue: 65_535,
                delay: Delay { delay: Duration::from_millis(100), jitter: Duration::from_nanos(7), reorder },
                until: Duration::from_secs(1 << 20),
                seed: u64::MAX,
            };
            assert_eq!(DelayArgs::parse(args.words()).unwrap(), args);
            let mut short = args.words();
            short.pop();
            assert!(matches!(DelayArgs::parse(short), Err(ArgsError::Missing { name: "seed" })));
        }
    }
}
