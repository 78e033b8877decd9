//! Where a verb acts: on this host, or on a cluster. Only the command line decides, never what happens to lie around.
//!
//! ```text
//! kubectl rumpus VERB                               -> cluster
//! --context, --kubeconfig (RUMPUS_KUBECONFIG), -n   -> cluster
//! anything else                                     -> this host
//! ```
//! A kubeconfig in the home directory, or KUBECONFIG, only says *which* cluster: `rumpus halt` on a node must never reach
//! out for another place because somebody once used kubectl there.

use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Name under which kubectl finds a plugin.
pub const PLUGIN: &str = "kubectl-rumpus";

/// Which cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterFlags {
    /// Act on the cluster of this kubeconfig context, not on this host
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Act on the cluster of this kubeconfig, not on this host
    #[arg(long, global = true, env = "RUMPUS_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Act on the cluster, in this namespace (default: the context's)
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// Where a verb acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Host,
    Cluster(ClusterFlags),
}

impl Place {
    /// Decides where a command line acts; `program` is its first word.
    pub fn of(program: &OsStr, flags: &ClusterFlags) -> Self {
        if is_plugin(program) || *flags != ClusterFlags::default() {
            return Self::Cluster(flags.clone());
        }
        Self::Host
    }
}

/// Returns whether kubectl started this program.
pub fn is_plugin(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == PLUGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(words: &[&str]) -> Place {
        let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
        crate::args::parse(&words).unwrap().place
    }

    #[test]
    fn only_the_command_line_says_where() {
        for (words, cluster) in [
            (&["rumpus", "active"][..], false),
            (&["/usr/bin/rumpus", "halt", "--reason", "x"], false),
            (&["kubectl-rumpus", "active"], true),
            (&["/usr/local/bin/kubectl-rumpus", "halt"], true),
            (&["rumpus", "active", "--context", "prod"], true),
            (&["rumpus", "--kubeconfig", "k", "active"], true),
            (&["rumpus", "active", "-n", "shop"], true),
        ] {
            assert_eq!(matches!(place(words), Place::Cluster(_)), cluster, "{words:?}");
        }
        let Place::Cluster(flags) = place(&["rumpus", "-n", "shop", "--context", "c", "active"]) else {
            panic!("a context means a cluster")
        };
        assert_eq!((flags.namespace.as_deref(), flags.context.as_deref()), (Some("shop"), Some("c")));
    }

    #[test]
    fn a_part_of_a_cluster_keeps_the_kubeconfig_that_it_is_given() {
        use clap::CommandFactory as _;
        crate::args::Cli::command().debug_assert();
        let words = ["rumpus", "agent", "--ready", "--kubeconfig", "k"].map(std::ffi::OsString::from);
        let parsed = crate::args::parse(&words).unwrap();
        let crate::args::Command::Agent(args) = parsed.command else { panic!("this is the agent's command line") };
        assert_eq!(args.kubeconfig.as_deref(), Some(Path::new("k")));
    }
}
