//! The second kernel: a QEMU guest with netem, cgroup v2 and a newer or older kernel than the host.
//!
//! ```text
//! kernel (Debian packages, cached) + image (built each time) -> boot -> console lines, results, exit code
//! ```
//! The guest has no network card and no disk: it cannot reach anything.

pub(crate) mod boot;
mod cpio;
mod image;
pub(crate) mod kernel;
mod modules;

pub(crate) use image::Program;
