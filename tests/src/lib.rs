//! What the tests are built from. Nothing here is shipped.

pub mod bench;
pub mod builders;
pub mod clusters;
pub mod fuzz;
pub mod kernel;
pub mod live;
