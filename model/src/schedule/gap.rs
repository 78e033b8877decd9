//! The minimum gap: whether a group may be hit again, by when it really was hit last.

use super::calendar::Calendar;
use jiff::Timestamp;
use jiff::civil::Date;

impl Calendar {
    /// Returns the work day that an instant belongs to: the one whose windows it is in, else its own date, or the last work
    /// day before that.
    pub fn work_day_of(&self, at: Timestamp) -> Option<Date> {
        let date = self.date(at);
        let before = date.yesterday().ok();
        let open = before.into_iter().chain([date]).find(|day| self.openings(*day).iter().any(|o| o.holds(at)));
        self.work_days_before(open.unwrap_or(date), 0)
    }

    /// Returns the instant before which the last hit has to be, so that now may be `min` work days after it: the end of the
    /// last window of the work day that is so many work days ago. `None`: there is no minimum.
    pub fn last_hit_before(&self, now: Timestamp, min: u32) -> Option<Timestamp> {
        if min == 0 {
            return None;
        }
        let day = self.work_days_before(self.work_day_of(now)?, min)?;
        self.openings(day).last().map(|o| o.to)
    }

    /// Whether a group that was hit then may be hit now.
    pub fn is_far_enough(&self, last: Timestamp, now: Timestamp, min: u32) -> bool {
        self.last_hit_before(now, min).is_none_or(|bound| last < bound)
    }
}
