//! Control groups: which hierarchies there are, who is in them, and killing one.
//!
//! It must never touch the freezer: a crash in between would leave it frozen.

mod container;
mod dir;
mod hierarchies;
mod paths;

pub use container::{CgroupPathError, ContainerRef, container_of, names_container};
pub use dir::{CgroupDir, CgroupError, parse_populated, parse_procs};
pub use hierarchies::{CgroupMode, DetectError, Hierarchies, Mount};
pub use paths::{CgroupLine, CgroupPaths, Hierarchy};
