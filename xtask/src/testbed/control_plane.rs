//! The control plane: etcd, API server, controller manager and scheduler, each an ordinary process.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use super::certificate::{self, Pair, Subject};
use super::folder::Folder;
use super::kubeconfig;
use super::kubectl;
use super::network;
use super::part;
use super::programs::Programs;
use super::wait;
use crate::command::{capture, command};

/// etcd listens on loopback only: it asks no one for a certificate.
const ETCD: &str = "http://127.0.0.1:12379";
const ETCD_PEERS: &str = "http://127.0.0.1:12380";

/// The API server's audit log, in the run folder.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// How long each part may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(240);

/// How often a part must not be seen before it has ended.
const LOOKS: usize = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The processes, in the order in which they need each other.
pub(crate) const PARTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Starts what is not running, and waits until the API server answers.
pub(crate) fn start(folder: &Folder, programs: &Programs) -> Result<()> {
    let authority = certificate::authority(folder)?;
    let accounts = certificate::mint(folder, "service-accounts", &Subject { name: "accounts", ..Subject::default() })?;
    let text = |path: &Path| path.display().to_string();
    part::start(&programs.etcd, &etcd(folder), "etcd", &folder.log("etcd"))?;
    wait::until(START, "etcd is healthy", || runs(folder, "etcd"), etcd_is_healthy)?;

    let server = api_server(folder, &authority, &accounts)?;
    let name = "kube-apiserver";
    part::start(&programs.of_kubernetes(name), &server, name, &folder.log(name))?;

    let name = "kube-controller-manager";
    let config = kubeconfig::user(folder, name, "system:kube-controller-manager", &[])?;
    let args = [
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
        format!("--kubeconfig={}", text(&config)),
        // Each controller acts with its own account, as in every cluster that kubeadm makes.
        "--use-service-account-credentials".to_owned(),
        format!("--root-ca-file={}", text(&authority.certificate)),
        format!("--cluster-signing-cert-file={}", text(&authority.certificate)),
        format!("--cluster-signing-key-file={}", text(&authority.key)),
        format!("--service-account-private-key-file={}", text(&accounts.key)),
    ];
    part::start(&programs.of_kubernetes(name), &args, name, &folder.log(name))?;

    let name = "kube-scheduler";
    let config = kubeconfig::user(folder, name, "system:kube-scheduler", &[])?;
    let args = [
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
        format!("--kubeconfig={}", text(&config)),
    ];
    part::start(&programs.of_kubernetes(name), &args, name, &folder.log(name))?;

    let alive = || PARTS.iter().try_for_each(|part| runs(folder, part));
    wait::until(START, "the API server is ready", alive, || api_server_is_ready(folder, programs))
}

/// Fails when a part does not run: nobody starts it again, so waiting for it is in vain. One look is not enough: while a
/// process is being replaced by the program that it executes, its environment reads as empty.
fn runs(folder: &Folder, part: &str) -> Result<()> {
    for _ in 0..LOOKS {
        if !part::named(part)?.is_empty() {
            return Ok(());
        }
        sleep(BETWEEN_LOOKS);
    }
    bail!("{part} ended; see {}", folder.log(part).display())
}

/// Whether a part of the control plane answers its health check.
pub(crate) fn is_healthy(folder: &Folder, programs: &Programs, part: &str) -> Result<()> {
    match part {
        "etcd" => etcd_is_healthy(),
        "kube-apiserver" => api_server_is_ready(folder, programs),
        "kube-controller-manager" => answers(folder, programs, "https://127.0.0.1:10257"),
        "kube-scheduler" => answers(folder, programs, "https://127.0.0.1:10259"),
        other => anyhow::bail!("{other} is no part of the control plane"),
    }
}

fn etcd_is_healthy() -> Result<()> {
    wait::http_ok("127.0.0.1:12379", "/health")
}

fn api_server_is_ready(folder: &Folder, programs: &Programs) -> Result<()> {
    kubectl::ask(folder, &programs.kubernetes, &["get", "--raw", "/readyz"]).map(drop)
}

/// Asks a part that serves a certificate of its own making. (The client's certificate keeps kubectl
/// from asking for a user's name; the health check itself needs no rights.)
fn answers(folder: &Folder, programs: &Programs, server: &str) -> Result<()> {
    kubeconfig::admin(folder)?;
    let owner = Pair::locate(folder, "admin");
    let args = ["--insecure-skip-tls-verify", "--request-timeout=10s", "get", "--raw", "/healthz", "--server", server];
    let mut kubectl = command(programs.of_kubernetes("kubectl"), args);
    kubectl.arg("--client-certificate").arg(owner.certificate).arg("--client-key").arg(owner.key);
    capture(kubectl.env("KUBECONFIG", "/nonexistent")).map(drop)
}

fn etcd(folder: &Folder) -> Vec<String> {
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    vec![
        flag("name", "testbed"),
        flag("data-dir", &folder.file("etcd").display().to_string()),
        flag("listen-client-urls", ETCD),
        flag("advertise-client-urls", ETCD),
        flag("listen-peer-urls", ETCD_PEERS),
        flag("initial-advertise-peer-urls", ETCD_PEERS),
        flag("initial-cluster", &format!("testbed={ETCD_PEERS}")),
        // The data are worth nothing after a crash of the machine.
        "--unsafe-no-fsync".to_owned(),
        // On a busy machine the only member must not lose its own election.
        flag("heartbeat-interval", "1000"),
        flag("election-timeout", "10000"),
        flag("quota-backend-bytes", "8589934592"),
        flag("auto-compaction-retention", "1"),
    ]
}

fn api_server(folder: &Folder, authority: &Pair, accounts: &Pair) -> Result<Vec<String>> {
    let host = format!("IP:{}", network::HOST);
    let service = format!("IP:{}", network::KUBERNETES);
    let servers =
        [&*host, &*service, "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:localhost"];
    let server = certificate::mint(
        folder,
        "kube-apiserver",
        &Subject { name: "kube-apiserver", groups: &[], servers: &servers },
    )?;
    let groups = &[kubeconfig::MASTERS];
    let client = certificate::mint(folder, "to-kubelets", &Subject { name: "kube-apiserver", groups, servers: &[] })?;
    let policy = folder.write("audit-policy.yaml", include_str!("audit-policy.yaml"))?;
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    let file = |name: &str, path: &Path| format!("--{name}={}", path.display());
    Ok(vec![
        flag("etcd-servers", ETCD),
        flag("bind-address", network::HOST),
        flag("advertise-address", network::HOST),
        flag("secure-port", &network::port()),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("allow-privileged", "true"),
        flag("service-cluster-ip-range", network::SERVICES),
        // Node names are in no name server: exec and logs go to addresses.
        flag("kubelet-preferred-address-types", "InternalIP"),
        file("client-ca-file", &authority.certificate),
        file("tls-cert-file", &server.certificate),
        file("tls-private-key-file", &server.key),
        file("kubelet-client-certificate", &client.certificate),
        file("kubelet-client-key", &client.key),
        flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
        file("service-account-key-file", &accounts.certificate),
        file("service-account-signing-key-file", &accounts.key),
        file("audit-policy-file", &policy),
        file("audit-log-path", &folder.file(AUDIT_LOG)),
        // It counts keys by a list that etcd 3.4 does not serve from the cache, and logs each failure.
        flag("feature-gates", "SizeBasedListCostEstimate=false"),
        // A test reads the log from where it began: it must not be rotated away below it.
        flag("audit-log-maxsize", "2000"),
        flag("audit-log-maxbackup", "1"),
    ])
}
