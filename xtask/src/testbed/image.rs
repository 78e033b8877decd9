//! Images without a registry: builds the testbed's own with buildah, and loads archives into nodes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::module;
use super::network::Node;
use super::node;
use super::programs::{COREDNS, Programs};
use crate::command::{capture, command};
use crate::place;

/// Holds the namespaces of a pod.
pub(crate) const PAUSE: &str = "docker.io/rumpus-testbed/pause:1";
/// The workloads of tests: sh, httpd, wget, nc, ping and the rest of a static busybox.
const BUSYBOX: &str = "docker.io/rumpus-testbed/busybox:1";
/// The cluster's name server; coredns.yaml says the same.
const DNS: &str = "docker.io/rumpus-testbed/coredns:1";

/// Changes with what the images consist of, so that no cache serves old ones.
const RECIPE: &str = "1";

/// Returns the archives of the testbed's own images, building them first if need be.
pub(crate) fn own(programs: &Programs) -> Result<Vec<PathBuf>> {
    let folder = place::cache(&format!("testbed-images-{RECIPE}-{}-{COREDNS}", module::KUBERNETES))?;
    let archives = ["pause", "busybox", "coredns"].map(|name| folder.join(format!("{name}.tar")));
    if archives.iter().all(|archive| archive.is_file()) {
        return Ok(archives.into());
    }
    println!("   builds the images of the testbed");
    let tree = folder.join("tree");
    for (archive, (image, entry, lay)) in archives.iter().zip([
        (PAUSE, "/pause", lay_pause as fn(&Programs, &Path) -> Result<()>),
        (BUSYBOX, "", lay_busybox),
        (DNS, "/coredns", lay_coredns),
    ]) {
        clear(&tree)?;
        lay(programs, &tree)?;
        build(&folder, &tree, image, entry, archive)?;
    }
    clear(&tree)?;
    Ok(archives.into())
}

/// Imports an image, an OCI archive whose reference it names itself, into every node.
pub(crate) fn load(programs: &Programs, archive: &Path) -> Result<()> {
    let archive = archive.canonicalize().with_context(|| format!("find {}", archive.display()))?;
    for node in Node::ALL {
        let mut import = node::enter(node)?;
        import.arg(programs.containerd.join("ctr"));
        import.args(["--address", node::RUNTIME, "--namespace", "k8s.io", "images", "import"]).arg(&archive);
        let said = capture(&mut import).with_context(|| format!("import into {}", node.name()))?;
        ensure!(said.contains("unpacking"), "{}: nothing was imported: {said}", node.name());
    }
    println!("   loaded {} into {} nodes", archive.display(), Node::ALL.len());
    Ok(())
}

/// The Kubernetes project's own, from its source.
fn lay_pause(_programs: &Programs, tree: &Path) -> Result<()> {
    let source = module::kubernetes_source()?.join("build/pause/linux/pause.c");
    let mut compiler = command("cc", ["-static", "-Os", "-DVERSION=testbed", "-o"]);
    capture(compiler.arg(tree.join("pause")).arg(source)).map(drop)
}

fn lay_busybox(programs: &Programs, tree: &Path) -> Result<()> {
    let folder = tree.join("bin");
    for made in [&folder, &tree.join("etc"), &tree.join("tmp"), &tree.join("www")] {
        fs::create_dir_all(made).with_context(|| format!("make {}", made.display()))?;
    }
    fs::copy(&programs.busybox, folder.join("busybox")).context("copy busybox")?;
    let applets = capture(&mut command(&programs.busybox, ["--list"]))?;
    // busybox lists itself, too: a link to itself would hide it.
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", folder.join(applet)).with_context(|| format!("link {applet}"))?;
    }
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        .context("write the users of the image")?;
    fs::write(tree.join("www/index.html"), "ok\n").context("write the page of the image")?;
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777)).context("open /tmp of the image")
}

fn lay_coredns(programs: &Programs, tree: &Path) -> Result<()> {
    fs::copy(&programs.coredns, tree.join("coredns")).map(drop).context("copy coredns")
}

/// Builds an image with one layer; buildah's own storage lies in the cache and goes afterwards.
fn build(folder: &Path, tree: &Path, image: &str, entry: &str, archive: &Path) -> Result<()> {
    let storage = folder.join("storage");
    let outcome = build_in(&storage, tree, image, entry, &archive.with_extension("new"));
    fs::remove_dir_all(&storage).with_context(|| format!("remove {}", storage.display()))?;
    outcome?;
    fs::rename(archive.with_extension("new"), archive).context("move the image into its place")
}

fn build_in(storage: &Path, tree: &Path, image: &str, entry: &str, archive: &Path) -> Result<()> {
    let buildah = |args: &[&str]| {
        let mut buildah = command("buildah", ["--storage-driver", "vfs", "--root"]);
        buildah.arg(storage.join("root")).arg("--runroot").arg(storage.join("run")).args(args);
        capture(&mut buildah)
    };
    let container = buildah(&["from", "scratch"])?;
    let container = container.trim();
    buildah(&["copy", container, &tree.display().to_string(), "/"])?;
    buildah(&["config", "--env", "PATH=/bin", container])?;
    if entry.is_empty() {
        buildah(&["config", "--cmd", "/bin/sh", container])?;
    } else {
        buildah(&["config", "--entrypoint", &format!("[\"{entry}\"]"), container])?;
    }
    buildah(&["commit", "--rm", container, &format!("oci-archive:{}:{image}", archive.display())]).map(drop)
}

fn clear(tree: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("remove {}", tree.display()))?;
    }
    fs::create_dir_all(tree).with_context(|| format!("make {}", tree.display()))
}
