//! When which owner was hit last, as the Ledger writes it.

use jiff::Timestamp;
use rumpus_model::cluster::cooldown::Hits;
use rumpus_model::cluster::world::Seconds;
use rumpus_model::wire::ledger::{Hit, LedgerSpec};

/// Reads what is written. What cannot be understood may have been a hit at any time until `now`.
pub fn read(spec: &LedgerSpec, now: Timestamp) -> Hits {
    let instant = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    let known = spec.hits.iter().filter_map(|hit| Some((hit.owner.as_str().into(), instant(&hit.at)?)));
    let torn = spec.hits.iter().map(|hit| &hit.at).chain(&spec.hits_unknown_until).any(|text| instant(text).is_none());
    let until = spec.hits_unknown_until.as_deref().and_then(instant);
    Hits::new(known.collect(), if torn { until.max(Some(now.as_second())) } else { until })
}

/// Writes it.
pub(super) fn write(hits: &Hits, spec: &mut LedgerSpec) {
    spec.hits = hits.all().map(|(owner, at)| Hit { owner: owner.to_string(), at: show(at) }).collect();
    spec.hits_unknown_until = hits.unknown_until().map(show);
}

fn show(at: Seconds) -> String {
    Timestamp::from_second(at).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_torn_is_a_hit_up_to_now() {
        let mut hits = Hits::default();
        hits.note(["Deployment/shop/web".into()], true, 1_700_000_000);
        let mut spec = LedgerSpec::default();
        write(&hits, &mut spec);
        let now = Timestamp::from_second(1_700_000_100).unwrap();
        assert_eq!(read(&spec, now), hits);
        assert_eq!(spec.hits[0].at, "2023-11-14T22:13:20Z");
        spec.hits[0].at = "yesterday".into();
        assert_eq!(read(&spec, now).last("Deployment/shop/web"), Some(1_700_000_100));
    }
}
