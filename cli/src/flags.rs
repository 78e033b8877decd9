//! `run FAULT`: one flag for each field of a policy, checked by the same code as a file.

use crate::failure::Failure;
use clap::Args;
use rumpus_model::fault::Fault as Parsed;
use rumpus_model::policy::{Policy, Problem, Site};
use rumpus_model::wire::{
    ChaosPolicy, Containers, Direction, Except, Experiment, Fault, Host, How, Kill, Latency, Loss, NetNs, NoChecks,
    NumberOrText, OneOrMany, Partition, Peers, Pick, ProcessMatch, Processes, Protocol, Rounding, SteadyState, Targets,
};

/// The fields of an experiment as flags.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Targets (with a FAULT)")]
pub struct FaultFlags {
    /// Network namespace under /run/netns
    #[arg(long, value_name = "NAME")]
    pub netns: Vec<String>,
    /// Process by its exact name (comm)
    #[arg(long)]
    pub name: Option<String>,
    /// Process by the path of its executable
    #[arg(long)]
    pub exe: Option<String>,
    /// Process by a regex over its command line
    #[arg(long, value_name = "REGEX")]
    pub cmdline: Option<String>,
    /// Process by its user
    #[arg(long)]
    pub user: Option<String>,
    /// Leave out processes with this name
    #[arg(long, value_name = "NAME")]
    pub exclude_name: Option<String>,
    /// Leave out processes whose command line matches
    #[arg(long, value_name = "REGEX")]
    pub exclude_cmdline: Option<String>,
    /// Container by its id
    #[arg(long, value_name = "ID")]
    pub container_id: Vec<String>,
    /// The host's own network
    #[arg(long)]
    pub host: bool,
    /// How many targets (default: all)
    #[arg(long)]
    pub count: Option<i64>,
    /// How many targets, as a share
    #[arg(long, requires = "rounding")]
    pub percent: Option<i64>,
    /// What becomes of a fraction: up or down
    #[arg(long, value_parser = ["up", "down"])]
    pub rounding: Option<String>,
    /// Delay of each packet
    #[arg(long, help_heading = "Fault", value_name = "DURATION")]
    pub delay: Option<String>,
    /// Spread of the delay
    #[arg(long, help_heading = "Fault", value_name = "DURATION")]
    pub jitter: Option<String>,
    /// Let packets overtake each other
    #[arg(long, help_heading = "Fault")]
    pub reorder: bool,
    /// Share of packets that are lost, 1 to 100
    #[arg(long, help_heading = "Fault", value_name = "PERCENT")]
    pub loss: Option<i64>,
    /// Answer instead of dropping silently
    #[arg(long, help_heading = "Fault")]
    pub reject: bool,
    /// Signal (default TERM)
    #[arg(long, help_heading = "Fault")]
    pub signal: Option<String>,
    /// Time from the signal to SIGKILL (default 10s)
    #[arg(long, help_heading = "Fault", value_name = "DURATION")]
    pub grace: Option<String>,
    /// Kill every process of the container
    #[arg(long, help_heading = "Fault")]
    pub whole_container: bool,
    /// Egress, Ingress or Both, seen from the target
    #[arg(long, help_heading = "Packets")]
    pub direction: Option<String>,
    /// Peer: an address or a network (default: everyone)
    #[arg(long, help_heading = "Packets", value_name = "CIDR")]
    pub peer: Vec<String>,
    /// Peer by name, as the target resolves it
    #[arg(long, help_heading = "Packets", value_name = "NAME")]
    pub peer_name: Vec<String>,
    /// Peer that is left alone
    #[arg(long, help_heading = "Packets", value_name = "CIDR")]
    pub except: Vec<String>,
    /// Peer that is left alone, by name
    #[arg(long, help_heading = "Packets", value_name = "NAME")]
    pub except_name: Vec<String>,
    /// The peer's port, as 5432 or 5432/TCP
    #[arg(long, help_heading = "Packets")]
    pub port: Vec<String>,
    /// The target's own port
    #[arg(long, help_heading = "Packets", value_name = "PORT")]
    pub local_port: Vec<String>,
    /// TCP, UDP or ICMP
    #[arg(long, help_heading = "Packets")]
    pub protocol: Vec<String>,
    /// Network device (default: all but loopback)
    #[arg(long, help_heading = "Packets", value_name = "NAME")]
    pub device: Vec<String>,
}

impl FaultFlags {
    /// Returns whether any of the flags was used.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Makes the policy that the flags describe, as a file would have it.
    ///
    /// # Errors
    /// A word that is none of its flag's.
    pub fn written(&self, fault: &str, duration: Option<String>) -> Result<ChaosPolicy, Failure> {
        let experiment = Experiment {
            targets: Some(self.targets()),
            pick: Some(self.pick()),
            faults: Some(vec![self.fault(fault)?]),
            duration,
            limits: None,
            steady_state: Some(SteadyState {
                none: Some(NoChecks { reason: Some("started by hand".into()) }),
                checks: None,
            }),
        };
        Ok(ChaosPolicy::by_hand(fault, experiment))
    }

    /// Makes the policy that the flags describe.
    ///
    /// # Errors
    /// The same problems as a file's, named by field.
    pub fn policy(&self, fault: &str, duration: Option<String>) -> Result<Policy, Failure> {
        Policy::from_wire(&self.written(fault, duration)?, Site::Host).map_err(|problems| Failure::Problems {
            file: "the flags".into(),
            problems: problems.into_iter().map(by_flag).collect(),
        })
    }

    fn targets(&self) -> Targets {
        let exclude = ProcessMatch {
            name: self.exclude_name.clone(),
            exe: None,
            cmdline: self.exclude_cmdline.clone(),
            user: None,
        };
        let processes = Processes {
            name: self.name.clone(),
            exe: self.exe.clone(),
            cmdline: self.cmdline.clone(),
            user: self.user.as_deref().map(NumberOrText::plain),
            exclude: (exclude != ProcessMatch::default()).then_some(exclude),
        };
        Targets {
            processes: (processes != Processes::default()).then_some(processes),
            containers: (!self.container_id.is_empty())
                .then(|| Containers { ids: Some(self.container_id.clone()), ..Containers::default() }),
            netns: (!self.netns.is_empty()).then(|| NetNs { names: Some(self.netns.clone()) }),
            host: self.host.then(Host::default),
            ..Targets::default()
        }
    }

    fn pick(&self) -> Pick {
        let all = self.count.is_none() && self.percent.is_none();
        Pick {
            count: self.count,
            percent: self.percent,
            rounding: self.rounding.as_deref().map(|r| if r == "up" { Rounding::Up } else { Rounding::Down }),
            all: all.then_some(true),
            ..Pick::default()
        }
    }

    fn fault(&self, name: &str) -> Result<Fault, Failure> {
        let mut fault = Fault::default();
        match name {
            "kill" => fault.kill = Some(self.kill()),
            "latency" => {
                fault.latency = Some(Latency {
                    delay: self.delay.clone(),
                    jitter: self.jitter.clone(),
                    reorder: self.reorder.then_some(true),
                    direction: self.direction()?,
                    device: self.device(),
                    peers: self.peers(),
                    ports: ports(&self.port),
                    local_ports: ports(&self.local_port),
                    protocols: self.protocols()?,
                    probes: None,
                });
            }
            "loss" => {
                fault.loss = Some(Loss {
                    percent: self.loss,
                    direction: self.direction()?,
                    device: self.device(),
                    peers: self.peers(),
                    ports: ports(&self.port),
                    local_ports: ports(&self.local_port),
                    protocols: self.protocols()?,
                    probes: None,
                });
            }
            "partition" => {
                fault.partition = Some(Partition {
                    how: Some(if self.reject { How::Reject } else { How::Drop }),
                    direction: self.direction()?,
                    device: self.device(),
                    peers: self.peers(),
                    ports: ports(&self.port),
                    local_ports: ports(&self.local_port),
                    protocols: self.protocols()?,
                    probes: None,
                });
            }
            other => {
                return Err(Failure::usage(
                    format!("there is no file and no fault `{other}`"),
                    format!("faults are: {}", Parsed::NAMES.join(", ")),
                ));
            }
        }
        Ok(fault)
    }

    fn kill(&self) -> Kill {
        if self.whole_container {
            return Kill { container: Some(true), ..Kill::default() };
        }
        let signal = self.signal.as_deref().unwrap_or("TERM");
        Kill { signal: Some(NumberOrText::plain(signal)), grace: self.grace.clone(), container: None }
    }

    fn direction(&self) -> Result<Option<Direction>, Failure> {
        match self.direction.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("egress") => Ok(Some(Direction::Egress)),
            Some("ingress") => Ok(Some(Direction::Ingress)),
            Some("both") => Ok(Some(Direction::Both)),
            Some(other) => Err(Failure::usage(
                format!("--direction: `{other}` is no direction"),
                "use Egress (what the target sends), Ingress (what it receives) or Both",
            )),
        }
    }

    fn protocols(&self) -> Result<Option<Vec<Protocol>>, Failure> {
        let one = |text: &String| match text.to_ascii_uppercase().as_str() {
            "TCP" => Ok(Protocol::Tcp),
            "UDP" => Ok(Protocol::Udp),
            "ICMP" => Ok(Protocol::Icmp),
            _other => Err(Failure::usage(format!("--protocol: `{text}` is not known"), "use TCP, UDP or ICMP")),
        };
        if self.protocol.is_empty() {
            return Ok(None);
        }
        self.protocol.iter().map(one).collect::<Result<_, _>>().map(Some)
    }

    fn peers(&self) -> Option<Peers> {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        let except = Except { addresses: some(&self.except), names: some(&self.except_name), ..Except::default() };
        let peers = Peers {
            addresses: some(&self.peer),
            names: some(&self.peer_name),
            except: (except != Except::default()).then_some(except),
            ..Peers::default()
        };
        (peers != Peers::default()).then_some(peers)
    }

    fn device(&self) -> Option<OneOrMany> {
        (!self.device.is_empty()).then(|| OneOrMany(self.device.clone()))
    }
}

fn ports(ports: &[String]) -> Option<Vec<NumberOrText>> {
    (!ports.is_empty()).then(|| ports.iter().map(|p| NumberOrText::plain(p)).collect())
}

/// Names the flag beside the field: people typed the flag.
fn by_flag(mut problem: Problem) -> Problem {
    let flags = [
        (".targets", "--netns, --name, --cmdline, --container-id or --host"),
        (".duration", "--for"),
        (".direction", "--direction"),
        (".delay", "--delay"),
        (".jitter", "--jitter"),
        (".percent", "--loss or --percent"),
        (".localPorts", "--local-port"),
        (".ports", "--port"),
        (".peers", "--peer"),
        (".signal", "--signal"),
        (".grace", "--grace"),
        (".device", "--device"),
        (".pick", "--count, --percent"),
    ];
    if let Some((_, flag)) = flags.iter().find(|(field, _)| problem.path.contains(field)) {
        problem.hint = format!("{} (flag {flag})", problem.hint);
    }
    problem
}
