//! Two controllers that both believe they lead, and one Ledger: each slot is one's, whatever is lost.

use super::book::{Book, Change, Taken, Who};
use crate::cluster::core::event::{Act, LedgerSeen, Now, Outcome};
use jiff::{SignedDuration, Timestamp};
use rumpus_model::schedule::Slot;
use std::time::Duration;

/// A linear congruential generator: what goes wrong is the same each time.
struct Rng(u64);

impl Rng {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// One object of an API server.
#[derive(Default)]
struct Store {
    version: u64,
    seen: Option<LedgerSeen>,
}

impl Store {
    fn carry_out(&mut self, act: Act) -> Outcome {
        let Act::WriteGroups { resource_version, spec, .. } = act else {
            return self.seen.clone().map_or(Outcome::Missing, |seen| Outcome::Ledger(Box::new(seen)));
        };
        match (&self.seen, resource_version) {
            (Some(_), None) => return Outcome::Exists,
            (None, Some(_)) => return Outcome::Missing,
            (Some(old), Some(version)) if old.resource_version != version => return Outcome::Conflict,
            (Some(old), _) if old.spec.epoch > spec.epoch => return Outcome::Refused { why: "epoch".into() },
            (_, _) => {}
        }
        self.version += 1;
        let seen = LedgerSeen { resource_version: self.version.to_string(), spec: *spec };
        self.seen = Some(seen.clone());
        Outcome::Ledger(Box::new(seen))
    }
}

fn who() -> Who {
    Who { policy: "monkey".into(), dry_run: false, group: "Deployment/shop/web".into() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn now(seconds: u64) -> Now {
    let wall = at(0) + SignedDuration::try_from(Duration::from_secs(seconds)).unwrap();
    Now { boot: Duration::from_secs(seconds), wall }
}

/// One step of one controller: what it asks for is done, or lost, or done and its answer lost.
fn step(book: &mut Book, store: &mut Store, rng: &mut Rng, time: u64, me: (i64, &str)) {
    let Some(act) = book.next(now(time), "shop", time, me) else { return };
    let outcome = match rng.below(4) {
        0 => Outcome::Unknown { why: "lost".into() },
        1 => {
            drop(store.carry_out(act));
            Outcome::Unknown { why: "its answer is lost".into() }
        }
        _ => store.carry_out(act),
    };
    book.done(now(time), me, outcome);
}

#[test]
fn a_thousand_slots_are_each_begun_by_one_of_two() {
    let mut rng = Rng(7);
    let mut store = Store::default();
    // Of one term, as two that share a mistake; the second one's epoch is the later one in half of the worlds below.
    let mut books = [Book::default(), Book::default()];
    let me = [(3, "a"), (4, "b")];
    for book in &mut books {
        book.change(&who(), Change::Seen(at(-10)));
    }
    let (mut time, mut ours) = (0, [0_u32; 2]);
    for round in 0..1000_i64 {
        let slot = Slot { key: format!("{round:08}"), at: at(round) };
        let mine = [at(round * 10), at(round * 10 + 1)];
        for (book, mine) in books.iter_mut().zip(mine) {
            if book.record(&who()).is_none() {
                book.change(&who(), Change::Seen(at(-10)));
            }
            book.change(&who(), Change::Take(slot.clone(), mine, None));
        }
        for _ in 0..60 {
            time += 1;
            let first = usize::try_from(rng.below(2)).unwrap();
            for place in [first, 1 - first] {
                step(&mut books[place], &mut store, &mut rng, time, me[place]);
            }
        }
        let taken: Vec<Taken> = books.iter().zip(mine).map(|(book, mine)| book.taken(&who(), &slot, mine)).collect();
        let begun = taken.iter().filter(|taken| **taken == Taken::Ours).count();
        assert_eq!(begun, 1, "{round}: {taken:?}");
        for (count, taken) in ours.iter_mut().zip(taken) {
            *count += u32::from(taken == Taken::Ours);
        }
        let written = store.seen.as_ref().unwrap().spec.groups.clone();
        assert_eq!(written[0].slot.as_deref(), Some(slot.key.as_str()), "{round}");
    }
    // The one of the earlier term is overtaken by the first write of the later one.
    assert!(ours[1] > 990, "{ours:?}");
}

#[test]
fn what_is_written_by_a_later_term_is_not_written_over() {
    let (mut store, mut rng) = (Store::default(), Rng(1));
    let mut old = Book::default();
    let mut new = Book::default();
    for time in 0..20 {
        step(&mut old, &mut store, &mut rng, time, (3, "a"));
    }
    new.change(&who(), Change::Seen(at(0)));
    old.change(&who(), Change::Seen(at(0)));
    for time in 20..60 {
        new.change(&who(), Change::Seen(at(0)));
        step(&mut new, &mut store, &mut rng, time, (4, "b"));
    }
    let slot = Slot { key: "1".into(), at: at(1) };
    old.change(&who(), Change::Take(slot.clone(), at(1), None));
    for time in 60..120 {
        step(&mut old, &mut store, &mut rng, time, (3, "a"));
    }
    assert_ne!(old.taken(&who(), &slot, at(1)), Taken::Ours);
    assert!(old.trouble().is_some());
    assert_eq!(store.seen.unwrap().spec.holder, "b");
}

#[test]
fn of_a_change_whose_answer_was_lost_nothing_is_made_twice() {
    let mut store = Store::default();
    let mut book = Book::default();
    let me = (1, "a");
    let act = book.next(now(0), "shop", 1, me).unwrap();
    let outcome = store.carry_out(act);
    book.done(now(0), me, outcome);
    book.change(&who(), Change::Seen(at(0)));
    let slot = Slot { key: "1".into(), at: at(1) };
    book.change(&who(), Change::Take(slot.clone(), at(1), None));
    let act = book.next(now(1), "shop", 2, me).unwrap();
    drop(store.carry_out(act));
    book.done(now(1), me, Outcome::Unknown { why: "lost".into() });
    assert_eq!(book.taken(&who(), &slot, at(1)), Taken::Waits);
    let act = book.next(now(2), "shop", 3, me).unwrap();
    let outcome = store.carry_out(act);
    book.done(now(2), me, outcome);
    assert_eq!(book.taken(&who(), &slot, at(1)), Taken::Ours);
    assert!(book.next(now(3), "shop", 4, me).is_none(), "nothing is left to be written");
    assert_eq!((book.starts(false), book.starts(true)), (&[at(1)][..], &[][..]), "it counts once");
    // What it did is settled, and a second word about it changes nothing.
    book.change(&who(), Change::Settle { begun: at(1), acted: true });
    book.change(&who(), Change::Settle { begun: at(1), acted: false });
    assert_eq!(book.record(&who()).and_then(|record| record.hit), Some(at(1)));
}

#[test]
fn a_beginning_that_did_nothing_does_not_count_and_dry_runs_count_by_themselves() {
    let (mut store, mut book, me) = (Store::default(), Book::default(), (1, "a"));
    let dry = Who { dry_run: true, ..who() };
    let mut turn = |book: &mut Book, time: u64| {
        while let Some(act) = book.next(now(time), "shop", time, me) {
            let outcome = store.carry_out(act);
            book.done(now(time), me, outcome);
        }
    };
    turn(&mut book, 0);
    for who in [who(), dry.clone()] {
        book.change(&who, Change::Seen(at(0)));
    }
    for (number, who) in [(1, who()), (2, dry.clone()), (3, who())] {
        book.change(&who, Change::Take(Slot { key: number.to_string(), at: at(number) }, at(number), None));
    }
    turn(&mut book, 1);
    assert_eq!((book.starts(false), book.starts(true)), (&[at(1), at(3)][..], &[at(2)][..]));
    book.change(&who(), Change::Settle { begun: at(3), acted: false });
    book.change(&dry, Change::Settle { begun: at(2), acted: true });
    turn(&mut book, 2);
    // Another controller reads the same.
    let mut other = Book::default();
    turn(&mut other, 3);
    assert_eq!((other.starts(false), other.starts(true)), (&[at(1)][..], &[at(2)][..]));
    assert_eq!((other.starts(false), other.starts(true)), (book.starts(false), book.starts(true)));
}
