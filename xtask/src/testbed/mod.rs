//! A real Kubernetes on this machine: the control plane's programs and three nodes, each with a
//! kubelet and a container runtime of its own.
//!
//! ```text
//! programs (cache) -> control_plane (processes) -> node (namespaces, cable) -> inside (first process) -> image -> dns
//!                     part: the process table is the record            down: ends it all, leaves nothing
//! ```
//! It talks to nobody but itself: see `network.rs`. There is one per machine.

mod certificate;
mod cgroup;
mod control_plane;
mod dns;
mod down;
mod folder;
mod image;
mod inside;
mod install;
mod kubeconfig;
mod kubectl;
mod module;
mod network;
mod node;
mod package;
mod part;
mod programs;
mod status;
mod tunables;
mod wait;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;

pub(crate) use self::module::{KUBERNETES, kubernetes_source};

use self::control_plane::AUDIT_LOG;
use self::folder::{Folder, Lock};
use self::network::Node;
use self::programs::Programs;

/// What to do with the testbed.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build what is missing and start what is not running
    Up,
    /// Show every component; exit 0 only if all is ready
    Status,
    /// End everything and leave nothing
    Down,
    /// Run kubectl as the cluster's owner
    Kubectl {
        /// What kubectl is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Import an image into every node
    Image {
        /// An OCI archive that names its own reference
        archive: PathBuf,
    },
    /// Print the path of a kubeconfig, minted for a user on first use
    Kubeconfig {
        /// The user's name; the cluster's owner without
        #[arg(long)]
        user: Option<String>,
        /// A group of the user
        #[arg(long = "group", value_name = "GROUP", requires = "user")]
        groups: Vec<String>,
    },
    /// Run a program in the namespaces of a node
    Inside {
        /// The node's number
        #[arg(value_parser = number)]
        node: Node,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "PROGRAM")]
        args: Vec<String>,
    },
    /// Print the path of a tool, built on first use
    Tool {
        /// Which
        tool: Tool,
    },
    /// The first process of a node
    #[command(hide = true)]
    Node {
        #[arg(long, value_parser = number)]
        number: Node,
        #[arg(long)]
        plan: PathBuf,
    },
}

/// A tool in the cache.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Tool {
    /// Helm 3
    Helm,
    /// Checks manifests against Kubernetes' schemas
    Kubeconform,
    /// Of the testbed's version
    Kubectl,
}

/// Runs one verb.
pub(crate) fn run(verb: Verb) -> Result<ExitCode> {
    let folder = Folder::locate()?;
    match verb {
        Verb::Up => up(&folder)?,
        Verb::Status => {
            if !folder.exists() {
                println!("   no testbed is up; start it with `cargo xtask testbed up`");
                return Ok(ExitCode::FAILURE);
            }
            let all_is_well = status::print(&folder, &Programs::fetch()?)?;
            return Ok(if all_is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Verb::Down => stop()?,
        Verb::Kubectl { args } => {
            is_up(&folder)?;
            let mut kubectl = kubectl::owner(&folder, &module::kubernetes()?, args)?;
            return code(kubectl.status().context("start kubectl")?);
        }
        Verb::Image { archive } => {
            is_up(&folder)?;
            image::load(&Programs::fetch()?, &archive)?;
        }
        Verb::Kubeconfig { user, groups } => println!("{}", access(&folder, user, &groups)?.display()),
        Verb::Inside { node, args } => return code(node::run(node, &args)?),
        Verb::Tool { tool } => println!("{}", tool_path(tool)?.display()),
        Verb::Node { number, plan } => inside::run(number, &plan)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How a task reaches the testbed, and the programs that belong to it.
#[derive(Debug)]
pub(crate) struct Access {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    helm: PathBuf,
    cli: PathBuf,
    audit: PathBuf,
}

impl Access {
    /// Tells a program where all of it is.
    pub(crate) fn hand_to(&self, program: &mut Command) {
        program.env("RUMPUS_KUBECONFIG", &self.kubeconfig).env("RUMPUS_KUBECTL", &self.kubectl);
        program.env("RUMPUS_HELM", &self.helm).env("RUMPUS_CLI", &self.cli);
        program.env("RUMPUS_AUDIT_LOG", &self.audit);
    }

    /// Does something while no controller runs; afterwards they do, whatever came of it.
    pub(crate) fn without_controller<T>(&self, what: impl FnOnce() -> Result<T>) -> Result<T> {
        let (folder, programs) = (Folder::locate()?, Programs::fetch()?);
        let outcome = install::scale_controller(&folder, &programs, 0).and_then(|()| what());
        install::scale_controller(&folder, &programs, install::CONTROLLERS)?;
        outcome
    }
}

/// Does something on the testbed, with Rumpus as it lies in the checkout; one that was not up goes down again.
pub(crate) fn on<T>(what: impl FnOnce(&Access) -> Result<T>) -> Result<T> {
    let folder = Folder::locate()?;
    let borrowed = folder.exists();
    let outcome = start(&folder).and_then(|access| what(&access));
    if borrowed { outcome } else { stop().and(outcome) }
}

fn start(folder: &Folder) -> Result<Access> {
    up(folder)?;
    Ok(Access {
        kubeconfig: kubeconfig::admin(folder)?,
        kubectl: tool_path(Tool::Kubectl)?,
        helm: tool_path(Tool::Helm)?,
        cli: crate::image::binary_path()?,
        audit: folder.file(AUDIT_LOG),
    })
}

fn stop() -> Result<()> {
    let _lock = Lock::take()?;
    down::run(&Folder::locate()?)
}

fn up(folder: &Folder) -> Result<()> {
    let _lock = Lock::take()?;
    let began = Instant::now();
    let programs = Programs::fetch()?;
    let images = image::own(&programs)?;
    let rumpus = crate::image::build()?;
    println!("   every program is here after {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    folder.make()?;
    tunables::record(folder)?;
    network::bridge()?;
    control_plane::start(folder, &programs)?;
    for node in Node::ALL {
        node::start(folder, &programs, node)?;
    }
    node::wait(folder, &programs)?;
    println!("   from nothing to 3 ready nodes in {:.1} s", began.elapsed().as_secs_f64());
    for image in images {
        image::load(&programs, &image)?;
    }
    dns::start(folder, &programs)?;
    install::run(folder, &programs, &rumpus)?;
    println!(
        "   the testbed is up after {:.1} s: cargo xtask testbed kubectl get nodes",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn is_up(folder: &Folder) -> Result<()> {
    ensure!(folder.exists(), "no testbed is up; start it with `cargo xtask testbed up`");
    Ok(())
}

fn access(folder: &Folder, user: Option<String>, groups: &[String]) -> Result<PathBuf> {
    is_up(folder)?;
    let Some(user) = user else { return kubeconfig::admin(folder) };
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    kubeconfig::person(folder, &user, &groups)
}

/// Returns the path of a tool, building it first if need be.
pub(crate) fn tool_path(tool: Tool) -> Result<PathBuf> {
    match tool {
        Tool::Helm => programs::helm(),
        Tool::Kubeconform => programs::kubeconform(),
        Tool::Kubectl => Ok(module::kubernetes()?.join("kubectl")),
    }
}

fn code(status: std::process::ExitStatus) -> Result<ExitCode> {
    let code = status.code().context("the program was killed")?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn number(text: &str) -> Result<Node> {
    let node = Node::ALL.into_iter().find(|node| text == node.0.to_string() || text == node.name());
    node.with_context(|| format!("the nodes are {}", Node::ALL.map(Node::name).join(", ")))
}
