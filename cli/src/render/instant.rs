//! Instants as schedules show them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Shows an instant to the second, in UTC.
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Shows an instant to the second as people in a time zone have it, with the day of the week.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}
