//! What share of its pods an owner lets one run take, by its own annotation. It only ever takes pods out of what the policy
//! picked, and nobody is picked in their place: what an owner says makes nobody else a victim.

use super::pod::Pod;
use super::select::{Candidate, Found, Reason};
use super::world::{Owner, Text, World};
use crate::number::whole;
use std::collections::BTreeMap;

/// The owner's annotation: a whole number from 0 to 100, with or without `%`.
pub const MAX_PERCENT: &str = "rumpus.dev/max-percent";

/// The longest value that is kept.
const KEPT: usize = 60;

/// Reads the annotation.
///
/// # Errors
/// What stands there instead; such an owner's pods are not taken.
pub fn read(text: &str) -> Result<u8, Text> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let percent = whole(number).filter(|percent| *percent <= 100);
    percent.ok_or_else(|| text.chars().take(KEPT).collect::<String>().into())
}

/// Takes out what their owners do not let go.
pub(crate) fn keep<'w>(world: &'w World, taken: &mut Vec<Candidate<'w>>, found: &mut Found<'w>) {
    // Mostly none. Owners that are not known say nothing here: the guard of rollouts refuses whoever is picked of them.
    let said = |(uid, owner): (&'w Text, &'w Owner)| Some((uid, (owner, owner.max_percent.as_ref()?)));
    let limits: BTreeMap<&Text, (&Owner, &Result<u8, Text>)> = world.owners.iter().flatten().filter_map(said).collect();
    if limits.is_empty() {
        return;
    }
    let mut of_owner: BTreeMap<&Text, u32> = BTreeMap::new();
    taken.retain(|candidate| {
        let pod: &'w Pod = candidate.pod;
        let Some(uid) = pod.owner.as_ref().map(|owner| &owner.uid) else { return true };
        let Some((owner, said)) = limits.get(uid) else { return true };
        let reason = match said {
            Err(text) => {
                let (name, namespace) = (&owner.name, &owner.namespace);
                found.note(format!(
                    "{namespace}/{}/{name} says {MAX_PERCENT}: {text:?}, which is no percentage",
                    owner.kind
                ));
                Reason::OwnerLimitInvalid
            }
            Ok(percent) => {
                let held = of_owner.entry(uid).or_default();
                if *held < most(*percent, owner.desired) {
                    *held += 1;
                    return true;
                }
                Reason::OwnerLimited
            }
        };
        found.left_out.add(reason, pod);
        false
    });
}

/// Returns so many percent of the pods that an owner wants, rounded down; 0 where nobody knows how many those are.
fn most(percent: u8, desired: Option<u32>) -> u32 {
    let share = u64::from(desired.unwrap_or(0)) * u64::from(percent) / 100;
    u32::try_from(share).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{most, read};

    #[test]
    fn a_share_is_a_percentage_and_is_rounded_down() {
        for (text, percent) in [("0", 0), ("25", 25), ("25%", 25), ("100%", 100), ("007", 7)] {
            assert_eq!(read(text), Ok(percent), "{text}");
        }
        for text in ["", "%", "101", "-1", "+1", "1.5", "25 %", "25%%", "half"] {
            assert_eq!(read(text), Err(text.into()), "{text}");
        }
        let cases = [(100, Some(3), 3), (99, Some(3), 2), (50, Some(1), 0), (0, Some(9), 0), (100, None, 0)];
        for (percent, desired, expected) in cases {
            assert_eq!(most(percent, desired), expected, "{percent} % of {desired:?}");
        }
        assert_eq!(most(100, Some(u32::MAX)), u32::MAX);
    }
}
