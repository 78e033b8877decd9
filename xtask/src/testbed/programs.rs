//! Every program that the testbed and the chart's tests run, and where it lies.

use std::path::PathBuf;

use anyhow::Result;

use super::module;
use super::package;
use crate::tools;

/// Programs that are installed, since they need more than their own files.
const INSTALLED: &[(&str, &str, &str)] = &[
    ("nft", "nftables", "kube-proxy programs Services with it"),
    ("ip", "iproute2", "lays the cables between the nodes"),
    ("nsenter", "util-linux", "enters a node"),
    ("openssl", "openssl", "makes the testbed's certificates"),
    ("runc", "runc", "runs the containers of the nodes"),
    ("buildah", "buildah", "builds images without a registry"),
    ("go", "golang-go", "builds Kubernetes from its modules"),
    ("cc", "gcc", "builds the process that holds a pod's namespaces"),
];

/// Helm 3: its templates are what the users of the chart run.
const HELM: &str = "3.22.0";
/// kubeconform checks manifests against the schemas of Kubernetes.
const KUBECONFORM: &str = "0.8.0";
/// CoreDNS, the cluster's name server.
pub(crate) const COREDNS: &str = "1.15.0";

/// The paths of all programs.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Folder of the programs of Kubernetes.
    pub(crate) kubernetes: PathBuf,
    /// The key-value store of the API server.
    pub(crate) etcd: PathBuf,
    /// Folder with containerd, its shim, and ctr.
    pub(crate) containerd: PathBuf,
    /// Folder with the network plugins.
    pub(crate) cni: PathBuf,
    /// The cluster's name server, a static program.
    pub(crate) coredns: PathBuf,
    /// The static busybox that workloads consist of.
    pub(crate) busybox: PathBuf,
}

impl Programs {
    /// Builds, unpacks and installs what is missing.
    pub(crate) fn fetch() -> Result<Self> {
        tools::install_programs(INSTALLED)?;
        Ok(Self {
            etcd: package::unpack("etcd-server", "the store of the API server")?.join("usr/bin/etcd"),
            containerd: package::unpack("containerd", "the container runtime of the nodes")?.join("usr/bin"),
            cni: package::unpack("containernetworking-plugins", "the network of the pods")?.join("usr/lib/cni"),
            busybox: package::unpack("busybox-static", "the workloads of tests")?.join("bin/busybox"),
            kubernetes: module::kubernetes()?,
            coredns: module::install("coredns", "github.com/coredns/coredns", COREDNS, "names of Services")?,
        })
    }

    /// Returns a program of Kubernetes.
    pub(crate) fn of_kubernetes(&self, name: &str) -> PathBuf {
        self.kubernetes.join(name)
    }
}

/// Returns helm, building it first if need be.
pub(crate) fn helm() -> Result<PathBuf> {
    module::install("helm", "helm.sh/helm/v3/cmd/helm", HELM, "renders and installs the chart")
}

/// Returns kubeconform, building it first if need be.
pub(crate) fn kubeconform() -> Result<PathBuf> {
    module::install("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", KUBECONFORM, "checks the chart")
}
