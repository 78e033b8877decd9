//! Builds programs from their Go modules into the cache, keyed by version.
//!
//! Kubernetes cannot be built by `go install`: its own go.mod replaces its libraries by folders that
//! only its repository has. A module of ours replaces them by their published versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::folder::one_at_a_time;
use crate::command::{capture, command, run};
use crate::place;

/// The version of every Kubernetes program; its libraries have the same with a leading 0.
pub(crate) const KUBERNETES: &str = "1.36.3";

/// What is built of Kubernetes; the order shortens the wait for the first that can be used.
const KUBERNETES_PROGRAMS: &[&str] =
    &["kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

/// Returns a program that `go install` builds, building it first if need be.
pub(crate) fn install(program: &str, module: &str, version: &str, reason: &str) -> Result<PathBuf> {
    let folder = place::cache(&format!("{program}-{version}"))?;
    let path = folder.join(program);
    if path.is_file() {
        return Ok(path);
    }
    let _one = one_at_a_time(&folder.join("lock"))?;
    if path.is_file() {
        return Ok(path);
    }
    println!("   builds {program} {version} from its Go module: {reason}");
    let started = Instant::now();
    let building = folder.join("build");
    fs::create_dir_all(&building).with_context(|| format!("make {}", building.display()))?;
    let module = format!("{module}@v{version}");
    let mut go = go(&folder, &["install", "-ldflags", "-s -w", &module]);
    run(go.env("GOBIN", &building))?;
    fs::rename(building.join(program), &path).context("move the built program into its place")?;
    fs::remove_dir_all(&building).context("remove the build folder")?;
    println!("   {program} took {} s", started.elapsed().as_secs());
    Ok(path)
}

/// Returns the folder with all programs of Kubernetes, building those that it lacks.
pub(crate) fn kubernetes() -> Result<PathBuf> {
    let folder = place::cache(&format!("kubernetes-{KUBERNETES}"))?;
    let missing = || KUBERNETES_PROGRAMS.iter().filter(|name| !folder.join(name).is_file()).collect::<Vec<_>>();
    if missing().is_empty() {
        return Ok(folder);
    }
    let _one = one_at_a_time(&folder.join("lock"))?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(folder);
    }
    println!(
        "   builds Kubernetes {KUBERNETES} from its Go modules, at the lowest priority (6 min once on 2 idle cores)"
    );
    let building = kubernetes_module(&folder)?;
    for program in missing {
        let started = Instant::now();
        let package = format!("k8s.io/kubernetes/cmd/{program}");
        run(&mut go(&building, &["build", "-ldflags", &stamp(), "-o", "built", &package]))?;
        fs::rename(building.join("built"), folder.join(program)).context("move the built program into its place")?;
        println!("   {program} took {} s", started.elapsed().as_secs());
    }
    Ok(folder)
}

/// Returns the folder of the source of one of Kubernetes' packages.
pub(crate) fn kubernetes_source() -> Result<PathBuf> {
    let download = capture(&mut go(&place::cache("")?, &["mod", "download", "-json", &kubernetes_release()]))?;
    field(&download, "Dir")
}

fn kubernetes_release() -> String {
    format!("k8s.io/kubernetes@v{KUBERNETES}")
}

/// Writes the module that builds Kubernetes, and resolves its dependencies.
fn kubernetes_module(folder: &Path) -> Result<PathBuf> {
    let building = folder.join("build");
    fs::create_dir_all(&building).with_context(|| format!("make {}", building.display()))?;
    let download = capture(&mut go(&building, &["mod", "download", "-json", &kubernetes_release()]))?;
    let original = field(&download, "GoMod")?;
    let original = fs::read_to_string(&original).with_context(|| format!("read {}", original.display()))?;
    fs::write(building.join("go.mod"), wrapper(&original)).context("write go.mod")?;
    let imports = KUBERNETES_PROGRAMS.iter().map(|name| format!("import _ \"k8s.io/kubernetes/cmd/{name}\"\n"));
    let source = format!("//go:build tools\n\npackage tools\n\n{}", imports.collect::<String>());
    fs::write(building.join("tools.go"), source).context("write tools.go")?;
    run(&mut go(&building, &["mod", "tidy", "-e"]))?;
    Ok(building)
}

/// Returns a go.mod that requires Kubernetes and names the published version of each of its libraries.
fn wrapper(original: &str) -> String {
    let language = original.lines().find(|line| line.starts_with("go ")).unwrap_or("go 1.26.0");
    let mut text =
        format!("module testbed.invalid/kubernetes\n\n{language}\n\nrequire k8s.io/kubernetes v{KUBERNETES}\n\n");
    let libraries = original.lines().filter(|line| line.contains("=> ./staging/"));
    for library in libraries.filter_map(|line| line.trim().trim_start_matches("replace ").split(' ').next()) {
        text.push_str(&format!("replace {library} => {library} v0{}\n", KUBERNETES.trim_start_matches('1')));
    }
    text
}

/// The linker flags that make a program say its version; clients and servers compare them.
fn stamp() -> String {
    let version = "k8s.io/component-base/version";
    let mut parts = KUBERNETES.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!(
        "-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor} \
         -X {version}.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}"
    )
}

/// A go command that leaves most of the machine to others.
fn go(folder: &Path, args: &[&str]) -> Command {
    let mut go = command("nice", ["-n", "19", "go"]);
    go.args(args).current_dir(folder).env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false -p=2");
    go
}

fn field(json: &str, name: &str) -> Result<PathBuf> {
    let value: Value = serde_json::from_str(json).context("read what go says of a module")?;
    let path = value.get(name).and_then(Value::as_str);
    Ok(PathBuf::from(path.with_context(|| format!("go names no {name} of the module"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_of_the_repository_gets_its_published_version() {
        let original = "module k8s.io/kubernetes\n\ngo 1.26.1\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/x => other v1.0.0\n)\n";
        let text = wrapper(original);
        assert!(text.contains("\ngo 1.26.1\n"), "{text}");
        assert!(text.contains("replace k8s.io/api => k8s.io/api v0.36.3\n"), "{text}");
        assert!(!text.contains("k8s.io/x"), "{text}");
    }
}
