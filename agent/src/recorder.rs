//! Writes records into a journal, and makes it anew where it must be: what the diaries of a host and of a cluster's node
//! have in common. What has to be kept is theirs to say.

use crate::core::Record;
use crate::journal::{FileStorage, Journal, JournalError, Storage};
use crate::resolve::chain;

/// A journal that makes room for itself.
pub(crate) struct Recorder<S = FileStorage>(Journal<Record, S>);

impl<S: Storage> Recorder<S> {
    pub(crate) fn new(journal: Journal<Record, S>) -> Self {
        Self(journal)
    }

    /// Returns the bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.0.used()
    }

    /// Returns once the record is durable. `smaller`: the journal is made anew first, if it can be.
    ///
    /// # Errors
    /// Why it is not durable.
    pub(crate) fn record(
        &mut self,
        record: &Record,
        smaller: bool,
        kept: impl Fn() -> Vec<Record>,
    ) -> Result<(), String> {
        if smaller || self.0.wants_compaction() {
            self.compact(&kept());
        }
        let mut written = self.write(record);
        if matches!(written, Err(JournalError::Full { .. })) {
            // What no longer counts takes up the room, and with nothing live no other record would come that makes some.
            self.compact(&kept());
            written = self.write(record);
        }
        written.map_err(|e| chain(&e))
    }

    fn write(&mut self, record: &Record) -> Result<(), JournalError> {
        match record {
            Record::Intent(_) => self.0.append_intent(record),
            Record::Applied { .. } | Record::Ended { .. } | Record::Kept { .. } => self.0.append(record),
        }
    }

    /// Returns why nothing new may be recorded, if so.
    pub(crate) fn refuses(&self) -> Option<String> {
        match (self.0.is_damaged(), self.0.is_writable()) {
            (true, _) => Some("it was damaged; the damaged file was kept beside it".into()),
            (false, false) => Some("an earlier write failed".into()),
            (false, true) => None,
        }
    }

    /// Tries, after an error, to make room for new records again.
    pub(crate) fn mend(&mut self, kept: impl Fn() -> Vec<Record>) {
        if self.0.wants_compaction() {
            self.compact(&kept());
        }
    }

    /// A journal that cannot be made smaller is still one.
    fn compact(&mut self, records: &[Record]) {
        drop(self.0.compact(&records.iter().collect::<Vec<_>>()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    const SIZE: usize = 4096;

    /// A disk that may have no room for a second file.
    #[derive(Clone, Debug)]
    struct Disk {
        bytes: Vec<u8>,
        is_full: bool,
    }

    impl Storage for Disk {
        fn read_all(&mut self) -> io::Result<Vec<u8>> {
            Ok(self.bytes.clone())
        }

        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            let place = self.bytes.get_mut(offset..offset + bytes.len());
            place.ok_or(io::ErrorKind::StorageFull)?.copy_from_slice(bytes);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
            if self.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes = bytes.to_vec();
            Ok(())
        }
    }

    fn ended(number: usize) -> Record {
        Record::Kept { injection: format!("uid-{number:0>100}"), until: 0 }
    }

    fn intent() -> Record {
        use crate::core::Intent;
        use rumpus_model::engine::Engine;
        use rumpus_model::target::{ProcessId, ProcessTarget, Target};
        use std::time::Duration;
        let id = ProcessId { pid: 1, start: 2 };
        let target = ProcessTarget { id, comm: "sleep".into(), cgroup: "/".into(), boot_id: "b".into() };
        Record::Intent(Box::new(Intent {
            injection: "a".into(),
            policy: "shop/r".into(),
            id: "1".into(),
            fault: "kill".into(),
            lasts: false,
            engine: Engine::Signal,
            target: Target::Process(target),
            expected: String::new(),
            deadline: None,
            at: Duration::ZERO,
            not_after: None,
        }))
    }

    /// So full of what no longer counts that it asks for nothing, and takes no new fault all the same.
    fn nearly(is_full: bool) -> Recorder<Disk> {
        let disk = Disk { bytes: vec![0; SIZE], is_full };
        let (mut journal, _) = Journal::over(disk, SIZE, false, || Ok(())).unwrap();
        let mut number = 0;
        while journal.used() <= SIZE / 4 * 3 - 200 {
            journal.append(&ended(number)).unwrap();
            number += 1;
        }
        assert!(!journal.wants_compaction());
        assert!(matches!(journal.append_intent(&intent()), Err(JournalError::Full { .. })));
        Recorder::new(journal)
    }

    #[test]
    fn what_no_longer_counts_makes_room_for_a_new_fault() {
        let mut recorder = nearly(false);
        recorder.record(&intent(), false, || vec![intent()]).unwrap();
        assert!(recorder.used() < SIZE / 2, "{}", recorder.used());
    }

    #[test]
    fn where_no_room_can_be_made_the_last_quarter_stays_for_endings() {
        let mut recorder = nearly(true);
        let refused = recorder.record(&intent(), false, || vec![intent()]).unwrap_err();
        assert!(refused.contains("the journal is full"), "{refused}");
        assert!(recorder.used() <= SIZE / 4 * 3);
        recorder.record(&ended(0), false, Vec::new).unwrap();
    }
}
