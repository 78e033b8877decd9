//! Who may write: the Lease, as a state machine without I/O.
//!
//! A foreign Lease is taken over only after it has stood still for 8/15 L on *our own* monotonic clock; its wall-clock
//! times are never judged, because the writer's clock is not ours. Every write carries the resourceVersion that was
//! read, so that of two takers one loses. Our own is given up when it could not be renewed for 5/15 L, which is before
//! anybody else may take it.
//!
//! ```text
//! read -> absent: create -> Leading(epoch)          -> renew each L/15 -> refused by a precondition | 5/15 L silent
//!      -> foreign: wait 8/15 L unchanged -> replace -> Leading(epoch + 1)                            -> read
//! ```

use std::time::Duration;

/// What the Lease says, as far as an election needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Empty where nobody holds it.
    pub holder: String,
    pub transitions: i64,
    pub resource_version: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A read was answered: `None` where there is no Lease.
    Read(Option<Seen>),
    /// A write was accepted.
    Written(Seen),
    /// A write was refused by its precondition: somebody else wrote.
    Lost,
    /// No answer, or an error: nothing is known about what was done.
    Unknown,
    /// Time has passed.
    Wake,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Read,
    Create {
        transitions: i64,
    },
    Replace {
        transitions: i64,
        resource_version: String,
    },
    /// Give it up: whoever comes next need not wait.
    Resign {
        transitions: i64,
        resource_version: String,
    },
}

/// Whether this process may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Following,
    Leading { epoch: i64 },
}

/// One candidate.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// The least epoch of a term that is taken.
    floor: i64,
    /// The least epoch that a term of ours goes on with.
    least: i64,
    period: Duration,
    give_up: Duration,
    patience: Duration,
    state: State,
    due: Duration,
    busy: bool,
}

#[derive(Clone, Debug)]
enum State {
    Following(Found),
    /// A write that takes the Lease is on its way; it was sent at this instant.
    Taking {
        sent: Duration,
    },
    /// `since` is when the last write that was accepted was *sent*; `doubt`: a renewal may have been carried out unseen.
    Leading {
        seen: Seen,
        since: Duration,
        sent: Duration,
        doubt: bool,
    },
}

#[derive(Clone, Debug)]
enum Found {
    Unread,
    Absent,
    /// What was last read, and since when it has stood still.
    Present(Seen, Duration),
}

impl Election {
    /// `lease` is L: how long an agent keeps a fault without contact. `floor` is the least epoch to begin with where
    /// there is no Lease: above every epoch that an Injection carries.
    pub fn new(identity: String, lease: Duration, floor: i64) -> Self {
        Self {
            identity,
            floor,
            least: 0,
            period: lease / 15,
            give_up: lease / 3,
            patience: lease * 8 / 15,
            state: State::Following(Found::Unread),
            due: Duration::ZERO,
            busy: false,
        }
    }

    pub fn standing(&self) -> Standing {
        match &self.state {
            State::Leading { seen, .. } => Standing::Leading { epoch: seen.transitions },
            State::Following(_) | State::Taking { .. } => Standing::Following,
        }
    }

    /// Returns when to call `step` with [`Event::Wake`] at the latest.
    pub fn wake_at(&self) -> Duration {
        match &self.state {
            State::Leading { since, .. } if self.busy => *since + self.give_up,
            State::Leading { since, .. } => self.due.min(*since + self.give_up),
            // Its answer comes as an event.
            State::Following(_) | State::Taking { .. } if self.busy => Duration::MAX,
            State::Following(_) | State::Taking { .. } => self.due,
        }
    }

    /// Returns until when this controller may act, unless it renews its right before.
    pub fn leads_until(&self) -> Option<Duration> {
        match &self.state {
            State::Leading { since, .. } => Some(*since + self.give_up),
            State::Following(_) | State::Taking { .. } => None,
        }
    }

    /// Something carries an epoch that ours has to be above: the next write of the Lease begins a new term of at least
    /// this one. Whoever was overtaken fails with that write.
    pub fn raise(&mut self, least: i64) {
        self.least = self.least.max(least);
        self.floor = self.floor.max(least);
    }

    /// Gives up what is led, if nothing about it is on its way: from here on it is followed.
    pub fn resign(&mut self) -> Option<Command> {
        let State::Leading { seen, doubt: false, .. } = &self.state else { return None };
        if self.busy {
            return None;
        }
        let (transitions, resource_version) = (seen.transitions, seen.resource_version.clone());
        self.busy = true;
        self.state = State::Following(Found::Unread);
        Some(Command::Resign { transitions, resource_version })
    }

    /// Returns whether an answer is waited for.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Takes one event in. `now` is a monotonic clock; one command is on its way at a time.
    pub fn step(&mut self, now: Duration, event: Event) -> Option<Command> {
        match event {
            Event::Read(found) => self.read(now, found),
            Event::Written(seen) => self.written(seen),
            Event::Lost => {
                self.busy = false;
                self.follow(now);
            }
            Event::Unknown => self.unknown(now),
            Event::Wake => {}
        }
        if let State::Leading { since, .. } = &self.state
            && now >= *since + self.give_up
        {
            self.follow(now);
        }
        if self.busy || now < self.due {
            return None;
        }
        self.busy = true;
        self.due = now + self.period;
        Some(self.next(now))
    }

    fn next(&mut self, now: Duration) -> Command {
        let command = match &mut self.state {
            State::Leading { doubt: true, .. } | State::Taking { .. } | State::Following(Found::Unread) => {
                Command::Read
            }
            State::Leading { seen, sent, .. } => {
                *sent = now;
                let (transitions, resource_version) = (seen.transitions.max(self.least), seen.resource_version.clone());
                return Command::Replace { transitions, resource_version };
            }
            State::Following(Found::Absent) => Command::Create { transitions: self.floor },
            // A Lease that already names us is ours from before a restart of the process inside the same pod: it is a
            // new term all the same, because what that process sent may still arrive.
            State::Following(Found::Present(seen, since))
                if seen.holder.is_empty() || seen.holder == self.identity || now >= *since + self.patience =>
            {
                let (transitions, resource_version) =
                    ((seen.transitions + 1).max(self.floor), seen.resource_version.clone());
                Command::Replace { transitions, resource_version }
            }
            State::Following(Found::Present(..)) => Command::Read,
        };
        match &command {
            Command::Read | Command::Resign { .. } => {}
            Command::Create { .. } | Command::Replace { .. } => self.state = State::Taking { sent: now },
        }
        command
    }

    fn read(&mut self, now: Duration, found: Option<Seen>) {
        self.busy = false;
        // One that is deleted later must not begin anew with an epoch that was there already.
        self.floor = self.floor.max(found.as_ref().map_or(0, |f| f.transitions + 1));
        match &mut self.state {
            State::Leading { seen, doubt, .. } => match found {
                Some(found) if found.holder == self.identity && found.transitions == seen.transitions => {
                    *seen = found;
                    *doubt = false;
                    self.due = now;
                }
                Some(_) | None => self.follow(now),
            },
            State::Following(old) => {
                let since = match (&old, &found) {
                    (Found::Present(before, since), Some(found)) if before == found => *since,
                    (Found::Present(..) | Found::Unread | Found::Absent, _) => now,
                };
                *old = match found {
                    None => Found::Absent,
                    Some(found) => Found::Present(found, since),
                };
                if self.is_free(now) {
                    self.due = now;
                }
            }
            State::Taking { .. } => self.follow(now),
        }
    }

    fn is_free(&self, now: Duration) -> bool {
        match &self.state {
            State::Following(Found::Absent) => true,
            State::Following(Found::Present(seen, since)) => {
                seen.holder.is_empty() || seen.holder == self.identity || now >= *since + self.patience
            }
            State::Following(Found::Unread) | State::Taking { .. } | State::Leading { .. } => false,
        }
    }

    fn written(&mut self, written: Seen) {
        self.busy = false;
        self.floor = self.floor.max(written.transitions + 1);
        match &mut self.state {
            State::Taking { sent } => {
                let since = *sent;
                self.state = State::Leading { seen: written, since, sent: since, doubt: false };
            }
            State::Leading { seen, since, sent, .. } => {
                *seen = written;
                *since = *sent;
            }
            // It was given up while the write was on its way: the next read tells.
            State::Following(_) => {}
        }
    }

    fn unknown(&mut self, now: Duration) {
        self.busy = false;
        match &mut self.state {
            // Only a read tells whether it was taken.
            State::Taking { .. } => self.state = State::Following(Found::Unread),
            State::Leading { doubt, .. } => {
                *doubt = true;
                self.due = now + self.period / 4;
            }
            State::Following(_) => {}
        }
    }

    fn follow(&mut self, now: Duration) {
        self.state = State::Following(Found::Unread);
        self.due = now;
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Election, Event, Seen, Standing};
    use std::time::Duration;

    const L: Duration = Duration::from_secs(15);

    fn seen(holder: &str, transitions: i64, version: &str) -> Seen {
        Seen { holder: holder.into(), transitions, resource_version: version.into() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn leading() -> Election {
        let mut e = Election::new("me".into(), L, 7);
        assert_eq!(e.step(at(0), Event::Wake), Some(Command::Read));
        assert_eq!(e.step(at(0), Event::Read(None)), Some(Command::Create { transitions: 7 }));
        assert_eq!(e.step(at(0), Event::Written(seen("me", 7, "1"))), None);
        assert_eq!(e.standing(), Standing::Leading { epoch: 7 });
        e
    }

    #[test]
    fn an_absent_lease_is_created_and_renewed_each_fifteenth() {
        let mut e = leading();
        assert_eq!(e.wake_at(), at(1));
        let renew = |v: &str| Some(Command::Replace { transitions: 7, resource_version: v.into() });
        assert_eq!(e.step(at(1), Event::Wake), renew("1"));
        e.step(at(1), Event::Written(seen("me", 7, "2")));
        assert_eq!(e.step(at(2), Event::Wake), renew("2"));
    }

    #[test]
    fn a_foreign_lease_is_taken_only_after_it_stood_still_for_eight_fifteenths() {
        let mut e = Election::new("me".into(), L, 1);
        e.step(at(0), Event::Wake);
        for second in 0..=4 {
            assert_eq!(e.step(at(second), Event::Read(Some(seen("you", 3, "a")))), None, "{second}");
            assert_eq!(e.step(at(second + 1), Event::Wake), Some(Command::Read));
        }
        // It moved: the patience begins again.
        for second in 5..=11 {
            assert_eq!(e.step(at(second), Event::Read(Some(seen("you", 3, "b")))), None, "{second}");
            assert_eq!(e.step(at(second + 1), Event::Wake), Some(Command::Read));
        }
        assert_eq!(e.step(at(12), Event::Read(Some(seen("you", 3, "b")))), None);
        let replace = Command::Replace { transitions: 4, resource_version: "b".into() };
        assert_eq!(e.step(at(13), Event::Wake), Some(replace));
        assert_eq!(e.standing(), Standing::Following);
        e.step(at(14), Event::Written(seen("me", 4, "c")));
        assert_eq!(e.standing(), Standing::Leading { epoch: 4 });
    }

    #[test]
    fn a_lease_that_cannot_be_renewed_is_given_up_before_anybody_else_may_take_it() {
        let mut e = leading();
        assert!(e.step(at(1), Event::Wake).is_some());
        // The answer never comes.
        assert_eq!(e.standing(), Standing::Leading { epoch: 7 });
        assert_eq!(e.wake_at(), at(5));
        e.step(at(5), Event::Wake);
        assert_eq!(e.standing(), Standing::Following);
    }

    #[test]
    fn who_waits_for_an_answer_does_not_turn_meanwhile() {
        let mut e = Election::new("me".into(), L, 1);
        assert!(e.step(at(0), Event::Wake).is_some());
        assert_eq!(e.wake_at(), Duration::MAX);
        assert_eq!(e.leads_until(), None);
        assert_eq!(leading().leads_until(), Some(at(5)));
    }

    #[test]
    fn whoever_resigns_leads_no_more_and_the_next_one_need_not_wait() {
        let mut e = leading();
        e.step(at(1), Event::Wake);
        assert_eq!(e.resign(), None, "a renewal is on its way");
        e.step(at(1), Event::Written(seen("me", 7, "2")));
        assert_eq!(e.resign(), Some(Command::Resign { transitions: 7, resource_version: "2".into() }));
        assert_eq!(e.standing(), Standing::Following);
        let mut next = Election::new("you".into(), L, 1);
        next.step(at(2), Event::Wake);
        let taken = next.step(at(2), Event::Read(Some(seen("", 7, "3"))));
        assert_eq!(taken, Some(Command::Replace { transitions: 8, resource_version: "3".into() }));
    }

    #[test]
    fn an_epoch_that_overtook_is_risen_above_with_the_next_write() {
        let mut e = leading();
        e.raise(12);
        let command = e.step(at(1), Event::Wake);
        assert_eq!(command, Some(Command::Replace { transitions: 12, resource_version: "1".into() }));
        e.step(at(1), Event::Written(seen("me", 12, "2")));
        assert_eq!(e.standing(), Standing::Leading { epoch: 12 });
        // A Lease that is deleted does not begin anew with an epoch that was there.
        e.step(at(2), Event::Wake);
        assert_eq!(e.step(at(2), Event::Lost), Some(Command::Read));
        assert_eq!(e.step(at(3), Event::Read(None)), Some(Command::Create { transitions: 13 }));
    }

    #[test]
    fn a_write_that_another_one_preceded_loses_it() {
        let mut e = leading();
        e.step(at(1), Event::Wake);
        assert_eq!(e.step(at(1), Event::Lost), Some(Command::Read));
        assert_eq!(e.standing(), Standing::Following);
        assert_eq!(e.step(at(1), Event::Read(Some(seen("you", 8, "9")))), None);
    }

    #[test]
    fn a_renewal_without_an_answer_is_read_back_before_it_is_renewed_again() {
        let mut e = leading();
        e.step(at(1), Event::Wake);
        assert_eq!(e.step(at(2), Event::Unknown), None);
        assert_eq!(e.step(at(3), Event::Wake), Some(Command::Read));
        let renewed = e.step(at(3), Event::Read(Some(seen("me", 7, "2"))));
        assert_eq!(renewed, Some(Command::Replace { transitions: 7, resource_version: "2".into() }));
        assert_eq!(e.standing(), Standing::Leading { epoch: 7 });
    }

    #[test]
    fn taking_without_an_answer_never_counts_as_leading() {
        let mut e = Election::new("me".into(), L, 1);
        e.step(at(0), Event::Wake);
        e.step(at(0), Event::Read(None));
        assert_eq!(e.step(at(1), Event::Unknown), Some(Command::Read));
        assert_eq!(e.standing(), Standing::Following);
        // It had been carried out: a new term begins, because what was sent in the old one may still arrive.
        let command = e.step(at(2), Event::Read(Some(seen("me", 1, "1"))));
        assert_eq!(command, Some(Command::Replace { transitions: 2, resource_version: "1".into() }));
    }
}
