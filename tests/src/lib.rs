//! What the tests are built from. Nothing here is shipped.

pub mod bench;
pub mod builders;
pub mod clusters;
pub mod fuzz;
pub mod instructions;
pub mod kernel;
pub mod live;
