//! One node, seen from outside: writes its configuration, starts its first process in namespaces of
//! its own, and lays its cable. What happens inside is in `inside.rs`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::certificate::{self, Subject};
use super::folder::Folder;
use super::image;
use super::kubeconfig;
use super::kubectl;
use super::network::{self, Node};
use super::part;
use super::programs::Programs;
use super::{cgroup, wait};
use crate::command::command;

/// How long the nodes may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(300);

/// Where the runtime listens, inside of the node.
pub(crate) const RUNTIME: &str = "/run/containerd/containerd.sock";

/// Starts a node unless it is running.
pub(crate) fn start(folder: &Folder, programs: &Programs, node: Node) -> Result<()> {
    let name = node.name();
    if !part::named(&name)?.is_empty() {
        return Ok(());
    }
    cgroup::make(node)?;
    let plan = plan(folder, programs, node)?;
    let own = folder.this_program()?;
    let mut unshare = command("setsid", ["unshare", "--net", "--mount", "--pid", "--uts", "--fork"]);
    unshare.arg(own).args(["testbed", "node", "--number", &node.0.to_string(), "--plan"]).arg(plan);
    let mut unshare = part::mark(unshare, &name, &folder.log(&name))?;
    let mut child = unshare
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start the namespaces of {name}"))?;
    // The node ends by itself when this task dies before the word: its standard input closes.
    let stdout = child.stdout.take().context("the node has no output pipe")?;
    let mut said = String::new();
    BufReader::new(stdout).read_line(&mut said).with_context(|| format!("hear {name}"))?;
    ensure!(said == super::inside::READY, "{name} did not come up; see {}", folder.log(&name).display());
    network::plug(node, &format!("/proc/{}/ns/net", child.id()))?;
    let mut stdin = child.stdin.take().context("the node has no input pipe")?;
    stdin.write_all(super::inside::GO.as_bytes()).with_context(|| format!("let {name} go on"))
}

/// Waits until every node is ready.
pub(crate) fn wait(folder: &Folder, programs: &Programs) -> Result<()> {
    wait::until(START, "3 nodes are ready", run_all, || {
        let ready = ready(folder, programs)?;
        let missing: Vec<_> = Node::ALL.into_iter().map(Node::name).filter(|name| !ready.contains(name)).collect();
        ensure!(missing.is_empty(), "not ready: {}", missing.join(", "));
        Ok(())
    })
}

/// Fails when a node's namespaces are gone. (Its parts are started again by its first process.)
fn run_all() -> Result<()> {
    for node in Node::ALL {
        ensure!(!part::named(&node.name())?.is_empty(), "{} ended; see its log", node.name());
    }
    Ok(())
}

/// Returns the names of the nodes that are ready.
pub(crate) fn ready(folder: &Folder, programs: &Programs) -> Result<Vec<String>> {
    let text = kubectl::ask(folder, &programs.kubernetes, &["get", "nodes", "--output=json"])?;
    let list: Value = serde_json::from_str(&text).context("read the list of nodes")?;
    let nodes = list["items"].as_array().context("the list of nodes has no items")?;
    let is_ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
    };
    let names = nodes.iter().filter(is_ready).filter_map(|node| node["metadata"]["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Returns a command that runs a program inside of a running node.
pub(crate) fn enter(node: Node) -> Result<Command> {
    let parts = part::named(&node.name())?;
    // The oldest is `unshare`, which stayed in this machine's process namespace; the next is the
    // node's first process.
    let first = parts.get(1).with_context(|| format!("{} is not running", node.name()))?;
    let target = first.pid.to_string();
    Ok(command("nsenter", ["--target", &target, "--mount", "--net", "--pid", "--uts"]))
}

/// Runs a program inside of a node, with this terminal.
pub(crate) fn run(node: Node, args: &[String]) -> Result<ExitStatus> {
    let mut inside = enter(node)?;
    inside.args(args);
    inside.status().with_context(|| format!("enter {}", node.name()))
}

/// Writes the node's files and what its first process is to do; returns the path of the latter.
fn plan(folder: &Folder, programs: &Programs, node: Node) -> Result<PathBuf> {
    let name = node.name();
    let home = folder.file(&name);
    for part in ["cni", "lib", "log"] {
        fs::create_dir_all(home.join(part)).with_context(|| format!("make {}", home.join(part).display()))?;
    }
    let file = |part: &str| format!("{name}/{part}");
    let network = format!("{:#}", pod_network(node));
    folder.write(&file("cni/10-testbed.conflist"), network)?;
    let runtime = folder.write(&file("containerd.toml"), runtime(programs, &home))?;

    let groups = &["system:nodes"];
    let kubelet_access = kubeconfig::user(folder, &name, &format!("system:node:{name}"), groups)?;
    let authority = certificate::authority(folder)?;
    let address = format!("IP:{}", node.address());
    let servers = &[address.as_str()];
    let serving =
        certificate::mint(folder, &format!("{name}-serving"), &Subject { name: &name, groups: &[], servers })?;
    let kubelet_config = kubelet(node, &authority.certificate, &serving);
    let kubelet_config = folder.write(&file("kubelet.json"), format!("{kubelet_config:#}"))?;
    let proxy_access = kubeconfig::user(folder, "kube-proxy", "system:kube-proxy", &[])?;
    let proxy_config = folder.write(&file("kube-proxy.json"), format!("{:#}", proxy(node, &proxy_access)))?;

    let part = |part: &str, program: PathBuf, args: Vec<String>| {
        let name = file(part);
        json!({"log": folder.log(&name), "name": name, "program": program, "args": args})
    };
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let kubelet_args = vec![
        flag("config", &kubelet_config),
        flag("kubeconfig", &kubelet_access),
        format!("--hostname-override={name}"),
        format!("--node-ip={}", node.address()),
        format!("--node-labels=topology.kubernetes.io/zone={}", node.zone()),
    ];
    let plan = json!({
        "lib": home.join("lib"),
        "log": home.join("log"),
        "path": format!("{}:{}", programs.containerd.display(), crate::command::path()),
        "parts": [
            part("containerd", programs.containerd.join("containerd"), vec![flag("config", &runtime)]),
            part("kubelet", programs.of_kubernetes("kubelet"), kubelet_args),
            part("kube-proxy", programs.of_kubernetes("kube-proxy"), vec![flag("config", &proxy_config)]),
        ],
    });
    folder.write(&file("plan.json"), format!("{plan:#}"))
}

/// containerd 1.6, version 2 of its configuration.
fn runtime(programs: &Programs, home: &Path) -> String {
    format!(
        r#"version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{RUNTIME}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  # Where root lacks CAP_SYS_RESOURCE, no score can be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{config}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"#,
        sandbox = image::PAUSE,
        plugins = programs.cni.display(),
        config = home.join("cni").display(),
    )
}

fn pod_network(node: Node) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "testbed",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            // A pod may reach itself through its Service.
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": node.pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn kubelet(node: Node, authority: &Path, serving: &certificate::Pair) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address(),
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": serving.certificate,
        "tlsPrivateKeyFile": serving.key,
        "containerRuntimeEndpoint": format!("unix://{RUNTIME}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::of(node),
        // The first version of control groups is refused unless asked for.
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [network::DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/dev/null",
        "maxPods": 250,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        // Nobody could pull again what the kubelet collects on a full disk.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
        },
    })
}

fn proxy(node: Node, access: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": node.address(),
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": access},
        "clusterCIDR": network::PODS,
        "hostnameOverride": node.name(),
        // A network namespace may not change the machine's conntrack limits.
        "conntrack": {"maxPerCore": 0, "min": 0},
    })
}
