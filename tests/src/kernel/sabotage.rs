//! Defects that the code under test can be given on purpose, and the cells of the matrix in which
//! each has to turn cases red. `cargo xtask soak` plants them one by one and compares.
//!
//! This is the one table: a cell that a defect cannot show in stands here with its reason.

use rumpus_agent::testing::Sabotage;

use super::matrix::{CELLS, Engine, Fault};

/// The name of the defect of the harness's own cases.
pub const BLIND: &str = "blind";

/// Returns the names of all defects.
#[must_use]
pub fn names() -> Vec<&'static str> {
    [BLIND].into_iter().chain(Sabotage::ALL.map(Sabotage::name)).collect()
}

/// Returns the cells in which a defect has to be noticed.
#[must_use]
pub fn cells(name: &str) -> Vec<(Fault, Engine)> {
    if name == BLIND {
        return vec![(Fault::Harness, Engine::Tools)];
    }
    let Some(sabotage) = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name) else {
        return Vec::new();
    };
    CELLS.iter().copied().filter(|(fault, engine)| inapplicable(sabotage, *fault, *engine).is_none()).collect()
}

/// Returns why a defect cannot show in a cell; nothing where it has to be noticed.
#[must_use]
pub fn inapplicable(sabotage: Sabotage, fault: Fault, engine: Engine) -> Option<&'static str> {
    if fault == Fault::Harness {
        return Some("the harness's own cases run none of the code under test");
    }
    let kill = fault == Fault::Kill;
    match sabotage {
        Sabotage::NoRestore if kill => Some("a kill puts nothing back"),
        Sabotage::NoGate if kill => Some("a kill is done once and has no gate"),
        Sabotage::NoJournal if kill => Some("a kill leaves nothing that a journal would have to find"),
        Sabotage::VerifySaysYes if kill => {
            Some("the defect is in what is read back of rules; a kill is read from a pidfd or a control group")
        }
        Sabotage::ForeignFlushed if kill => Some("a kill has no rules that could be flushed"),
        Sabotage::ExclusionsIgnored if kill => Some(
            "the defect is in the rules' exceptions; those of a kill are decided in the plan, which golden tests hold",
        ),
        Sabotage::WrongPid if engine != Engine::Signal => Some("only a signal to one process goes by a pid"),
        Sabotage::ExclusionsIgnored
        | Sabotage::ForeignFlushed
        | Sabotage::HaltIgnored
        | Sabotage::NoGate
        | Sabotage::NoJournal
        | Sabotage::NoRestore
        | Sabotage::VerifySaysYes
        | Sabotage::WrongPid => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_can_be_noticed_somewhere_and_no_other_exists() {
        for name in names() {
            assert!(!cells(name).is_empty(), "{name} cannot be noticed");
        }
        assert!(cells("no-such-defect").is_empty());
    }
}
