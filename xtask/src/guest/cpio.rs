//! Writes the initial file system as a `newc` archive, so that no `cpio` tool is needed.
//!
//! The format: <https://www.kernel.org/doc/html/v6.1/driver-api/early-userspace/buffer-format.html>.
//! Parent folders are written before what lies in them, as the kernel unpacks in order.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// What lies at one path of the archive.
#[derive(Debug)]
enum Node {
    Folder,
    File { mode: u32, content: Vec<u8> },
    Link { to: String },
}

/// The tree that becomes the archive; paths have no leading slash.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    nodes: BTreeMap<String, Node>,
}

impl Archive {
    /// Adds a folder and its parents.
    pub(crate) fn folder(&mut self, path: &str) {
        let mut up_to = String::new();
        for part in path.trim_matches('/').split('/') {
            if !up_to.is_empty() {
                up_to.push('/');
            }
            up_to.push_str(part);
            self.nodes.entry(up_to.clone()).or_insert(Node::Folder);
        }
    }

    /// Adds a file with the permission bits `mode`.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.place(path, Node::File { mode, content });
    }

    /// Adds a copy of a file of this machine, executable.
    pub(crate) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let content = std::fs::read(from).with_context(|| format!("read {}", from.display()))?;
        self.file(path, 0o755, content);
        Ok(())
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.place(path, Node::Link { to: to.to_owned() });
    }

    fn place(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Returns the archive's bytes.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (inode, (path, node)) in (1_u32..).zip(&self.nodes) {
            match node {
                Node::Folder => entry(&mut out, inode, 0o040_755, path, &[])?,
                Node::File { mode, content } => entry(&mut out, inode, 0o100_000 | mode, path, content)?,
                Node::Link { to } => entry(&mut out, inode, 0o120_777, path, to.as_bytes())?,
            }
        }
        entry(&mut out, 0, 0, "TRAILER!!!", &[])?;
        Ok(out)
    }
}

/// Writes one header, its name and its content, each padded to four bytes.
fn entry(out: &mut Vec<u8>, inode: u32, mode: u32, path: &str, content: &[u8]) -> Result<()> {
    ensure!(!path.contains('\0'), "a path of the archive contains a zero byte");
    let size = u32::try_from(content.len()).with_context(|| format!("{path} is too large for the archive"))?;
    let name = u32::try_from(path.len() + 1).context("a path of the archive is too long")?;
    // Fields: ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check.
    let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(content);
    pad(out);
    Ok(())
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_padded_to_four_bytes_and_the_archive_ends_with_its_trailer() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"hello".to_vec());
        let bytes = archive.bytes().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("070701").count(), 3, "folder, file, trailer");
        assert!(text.contains("hello\0\0\0"));
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }
}
