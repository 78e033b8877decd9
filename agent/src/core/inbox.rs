//! Accept or refuse what is handed in, before anything is looked at or touched.

use super::Core;
use super::slot::Slot;
use rumpus_model::injection::Injection;
use rumpus_model::refusal::Refusal;
use std::time::Duration;

/// The longest that a fault may last: 24 h.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The most faults that one agent holds at a time: what the memory goal was measured with, times ten.
const MOST: usize = 1_000;

impl Core {
    /// Accepts an injection as a whole.
    pub(super) fn accept(&self, injection: &Injection) -> Result<(), Refusal> {
        self.halts.accept(&injection.reach)?;
        if let Err(why) = &self.journal {
            return Err(Refusal::JournalUnwritable { why: why.clone() });
        }
        if let Some(what) = self.unrestored() {
            return Err(Refusal::Unrestored { what });
        }
        match (injection.fault.lasts(), injection.duration) {
            (true, None | Some(Duration::ZERO)) => Err(Refusal::Expired),
            (true, Some(d)) if d > LONGEST => Err(Refusal::NotHere {
                field: "duration".into(),
                why: "is longer than 24h".into(),
                hint: "run it again later".into(),
            }),
            (true | false, Some(_)) | (false, None) => Ok(()),
        }
    }

    /// Accepts one of its targets.
    pub(super) fn accept_target(&self, slot: &Slot) -> Result<(), Refusal> {
        let target = slot.planned.target.to_string();
        if slot.planned.target.boot_id() != self.boot_id {
            return Err(Refusal::TargetChanged { target, what: "it was planned before the last boot".into() });
        }
        if self.slots.contains_key(&slot.planned.id) {
            return Err(Refusal::Busy { what: format!("{target} already carries this fault") });
        }
        if self.slots.values().filter(|s| !s.is_final()).count() >= MOST {
            return Err(Refusal::Busy { what: format!("{MOST} faults are live on this node") });
        }
        if slot.changes.is_empty() {
            let why = format!("the {} engine has no steps for it", slot.planned.engine);
            return Err(Refusal::Failed { step: slot.fault.name().into(), why });
        }
        Ok(())
    }
}
