//! The command as a person in front of the cluster runs it.

use std::process::{Command, Stdio};

/// How it ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

/// Returns the command on the cluster of the tests.
pub(crate) fn rumpus(args: &[&str]) -> Command {
    let program = std::env::var_os("RUMPUS_CLI").expect("RUMPUS_CLI names the program");
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs kubectl as the administrator, and returns what it printed; it has to succeed.
pub(crate) fn kubectl(args: &[&str]) -> String {
    let output = Command::new(std::env::var_os("RUMPUS_KUBECTL").expect("RUMPUS_KUBECTL names the program"))
        .args(args)
        .env("KUBECONFIG", std::env::var_os("RUMPUS_KUBECONFIG").expect("RUMPUS_KUBECONFIG names a file"))
        .output()
        .expect("kubectl starts");
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("kubectl writes text")
}

/// Runs it to its end.
pub(crate) fn say(args: &[&str]) -> Said {
    let output = rumpus(args).output().expect("the command starts");
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code().expect("it was not killed"), text: String::from_utf8_lossy(&text).into_owned() }
}
