//! When a policy runs by itself: pure figures from a calendar, a draw and what was hit before.

pub mod calendar;
pub mod cron;
mod gap;
pub mod random;

#[cfg(test)]
mod cron_tests;
#[cfg(test)]
mod tests;
