//! One world as data: how big it is, what people do, what trouble there is, and every single thing that did not go its
//! usual way. What goes its usual way is not written down: its times follow from the seed.
//!
//! A seed means something else as soon as the code draws once more; a schedule says the same for as long as its decisions
//! can still be met.

use crate::api::Kind;
use crate::plant::Plant;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A process, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Who {
    Agent(usize),
    Controller(usize),
}

/// One world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// What it shows, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The invariant that is broken where `plant` is put in; without it all of them hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plant: Option<Plant>,
    /// Decides how long what goes its usual way takes, and nothing else.
    pub seed: u64,
    /// How long anything may go wrong, in seconds.
    pub seconds: u64,
    /// How long it has to come to rest, in seconds, where that is less than usual; then no last run is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<u64>,
    /// Nothing goes wrong but what people do: what is slow is wrong.
    #[serde(default)]
    pub calm: bool,
    /// Things go wrong on the first node alone: what is slow elsewhere is wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lonely: bool,
    pub nodes: usize,
    /// How many runs may be active at once.
    pub budget: usize,
    /// How many pods may be under fault at once; `None`: as many as like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<u32>,
    /// How many seconds the wall clock of each controller is ahead.
    pub controllers: Vec<i64>,
    /// How many millionths the boot clock of each node is too fast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifts: Vec<i64>,
    #[serde(default)]
    pub deeds: Vec<At<Deed>>,
    #[serde(default)]
    pub troubles: Vec<At<Trouble>>,
    #[serde(default)]
    pub turns: Vec<Turn>,
}

impl Schedule {
    /// Returns it as JSON with one decision on a line.
    ///
    /// # Errors
    /// Never for what was read or drawn.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let mut lines = Vec::new();
        for (name, value) in serde_json::to_value(self)?.as_object().into_iter().flatten() {
            let text = match value.as_array().filter(|all| all.iter().any(Value::is_object)) {
                Some(all) => {
                    let all: Vec<String> = all.iter().map(|one| format!("    {one}")).collect();
                    format!("[\n{}\n  ]", all.join(",\n"))
                }
                None => value.to_string(),
            };
            lines.push(format!("  \"{name}\": {text}"));
        }
        Ok(format!("{{\n{}\n}}\n", lines.join(",\n")))
    }

    /// Returns how long anything may go wrong.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// When something happens, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct At<T> {
    pub at: u64,
    #[serde(rename = "do")]
    pub what: T,
}

impl<T> At<T> {
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.at)
    }
}

/// What a person does. `pick` chooses among what is there then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Deed {
    /// Creates a run; `invalid`: one that has to be refused.
    Run {
        name: String,
        spec: Value,
        #[serde(default)]
        invalid: bool,
    },
    Stop {
        pick: u64,
    },
    DeleteRun {
        pick: u64,
    },
    DeleteInjection {
        pick: u64,
    },
    Halt {
        name: String,
        scope: Scope,
        pick: u64,
    },
    Resume {
        pick: u64,
    },
    KillPod {
        pick: u64,
    },
    /// Creates a policy, or changes it.
    Policy {
        name: String,
        spec: Value,
    },
    DeletePolicy {
        name: String,
    },
    /// Deletes the Ledger.
    DeleteLedger,
    /// After all trouble: does it still work?
    Probe,
}

/// What a Halt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    All,
    Namespace,
    FirstNode,
    OneRun,
}

/// What happens to a process, a machine or a network. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Trouble {
    /// A process dies, and another begins after a while. A controller may resign first, and may come back in a pod of
    /// its own; an agent may be asked to end, and ends when it has ended its faults and said so.
    Crash {
        who: Who,
        millis: u64,
        #[serde(default)]
        resigns: bool,
        #[serde(default)]
        anew: bool,
    },
    /// It does nothing, and then goes on.
    Pause { who: Who, millis: u64 },
    /// Nothing of it reaches the API server, and the other way.
    Cut { who: Who, millis: u64 },
    /// What its watches say comes from a server that has fallen behind.
    Stale { who: Who, millis: u64 },
    /// What was on its way to a watch is lost; it lists anew.
    BreakWatch { who: Who, kind: Kind },
    /// A machine restarts; `wiped`: with a new disk.
    Reboot {
        node: usize,
        millis: u64,
        #[serde(default)]
        wiped: bool,
    },
    /// A machine sleeps: the boot clock goes on, what the kernel counts does not.
    Suspend { node: usize, millis: u64 },
    /// The wall clock of a controller jumps.
    Jump { controller: usize, seconds: i64 },
    /// Somebody else empties the networks of a node's pods of all tables.
    Flush { node: usize },
    /// Somebody else puts something of theirs into the networks of a node's pods.
    Foreign { node: usize },
}

impl Trouble {
    /// Whether it is one node's alone.
    pub fn is_of(&self, place: usize) -> bool {
        match self {
            Self::Crash { who, .. }
            | Self::Pause { who, .. }
            | Self::Cut { who, .. }
            | Self::Stale { who, .. }
            | Self::BreakWatch { who, .. } => *who == Who::Agent(place),
            Self::Reboot { node, .. } | Self::Suspend { node, .. } | Self::Flush { node } | Self::Foreign { node } => {
                *node == place
            }
            Self::Jump { .. } => false,
        }
    }

    /// Its kind, for counting.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crash { who: Who::Agent(_), resigns: true, .. } => "an agent is asked to end",
            Self::Crash { who: Who::Agent(_), .. } => "an agent dies",
            Self::Crash { who: Who::Controller(_), .. } => "a controller dies",
            Self::Pause { who: Who::Agent(_), .. } => "an agent hangs",
            Self::Pause { who: Who::Controller(_), .. } => "a controller hangs",
            Self::Cut { who: Who::Agent(_), .. } => "an agent is cut off",
            Self::Cut { who: Who::Controller(_), .. } => "a controller is cut off",
            Self::Stale { .. } => "watches are behind",
            Self::BreakWatch { .. } => "a watch breaks",
            Self::Reboot { .. } => "a machine restarts",
            Self::Suspend { .. } => "a machine sleeps",
            Self::Jump { .. } => "a wall clock jumps",
            Self::Flush { .. } => "somebody flushes our tables",
            Self::Foreign { .. } => "somebody adds something",
        }
    }
}

/// Something that somebody does for the n-th time and that does not go its usual way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Turn {
    pub who: Who,
    pub what: What,
    /// Counted from 0, over all lives of the process.
    pub nth: u32,
    pub then: Then,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// What becomes of a request.
    Request(Verb, Kind),
    /// How long it takes to the server.
    Way(Verb, Kind),
    /// How long its answer takes.
    Answer(Verb, Kind),
    /// How long a change takes to a watch.
    Watch(Kind),
    /// What becomes of an order to the kernel.
    Order(Work),
    /// How long the kernel takes.
    Hand(Work),
    /// What becomes of a record for the journal.
    Record,
    /// How long the disk takes for it.
    Write,
    /// What becomes of a journal that is made anew.
    Mend,
}

/// What is asked of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    Create,
    Delete,
    Get,
    List,
    Patch,
    Status,
}

/// What is asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    Apply,
    Check,
    Confirm,
    Disarm,
    Drain,
    Escalate,
    Remove,
    Renew,
    Resolve,
    Sweep,
}

/// What happens instead of the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Then {
    /// 429, not done.
    Busy,
    /// Said to have failed, and not done.
    Fails,
    /// Said to have failed, and done.
    Lies,
    /// The request is lost.
    Lost,
    /// The answer is lost.
    Silent,
    /// So many milliseconds.
    Late(u64),
    /// The disk is full.
    NoSpace,
    /// The disk says that it could not write; nobody knows what it has.
    Broken,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(place) => write!(f, "agent-{place}"),
            Self::Controller(place) => write!(f, "controller-{place}"),
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no = || format!("`{text}` is nobody: write agent-0 or controller-0");
        let (kind, place) = text.rsplit_once('-').ok_or_else(no)?;
        let place = place.parse().map_err(|_number| no())?;
        match kind {
            "agent" => Ok(Self::Agent(place)),
            "controller" => Ok(Self::Controller(place)),
            _ => Err(no()),
        }
    }
}

impl TryFrom<String> for Who {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Who> for String {
    fn from(who: Who) -> Self {
        who.to_string()
    }
}
