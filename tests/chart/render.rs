//! Runs helm and kubeconform on the chart.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The oldest API server that the chart is for.
pub(crate) const FLOOR: &str = "1.32.0";

/// What an operator sets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values {
    Defaults,
    Everything,
}

impl Values {
    pub(crate) const ALL: [Self; 2] = [Self::Defaults, Self::Everything];
}

/// Returns the chart's folder.
pub(crate) fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../chart")
}

/// Renders the chart as `helm install` would.
pub(crate) fn render(values: Values) -> String {
    let args = ["template", "rumpus", "--namespace", "rumpus-system", "--kube-version", FLOOR];
    helm(&args, values).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a verb of helm on the chart; the chart's folder is added. An error is what helm says.
pub(crate) fn helm(args: &[&str], values: Values) -> Result<String, String> {
    let mut command = Command::new(tool("RUMPUS_HELM"));
    command.args(args).arg(chart());
    if let Values::Everything = values {
        command.arg("--values").arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("chart/everything.yaml"));
    }
    finish(command, "")
}

/// Checks objects against the schemas of Kubernetes.
pub(crate) fn kubeconform(text: &str) -> Result<String, String> {
    let mut command = Command::new(tool("RUMPUS_KUBECONFORM"));
    let schemas = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", tool("RUMPUS_SCHEMAS").display());
    command.args(["-strict", "-summary", "-schema-location", &schemas]);
    finish(command, text)
}

/// A missing tool is an error: a test that cannot look has not passed.
fn tool(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test --only chart`")).into()
}

fn finish(mut command: Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it has an input");
    let input = input.to_owned();
    // A tool that gives up early closes its input; what it says is the answer.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("its input is written");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{command:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
}
