//! What the tests are built from. Nothing here is shipped.

pub mod kernel;
