//! A restart finds what was there: after the death of a process all of it, after a power loss all that the store
//! had called synced.

use std::collections::BTreeSet;

use shoal_merge::Frontier;
use shoal_model::Origin;
use shoal_replication::HISTORY;

use crate::life::Past;

/// What is wrong with what a start found on its disk, given what the last process left. A debt may have become durable as
/// the process died. Origins that had been let go of
/// and rose from the journal again may go again.
pub fn check(left: Option<&Past>, found: &Past, risen: &BTreeSet<Origin>) -> Result<(), String> {
    let Some(left) = left else { return Ok(()) };
    if left.kept_cache {
        let frames = lacking(&left.applied, &found.applied, found, risen);
        frames.map_err(|what| format!("the process died, and of what it had applied {what}"))?;
        if let Some((origin, seq)) = left
            .applied
            .iter()
            .find(|(origin, seq)| found.applied.get(*origin) > found.owed.get(*origin).max(*seq))
        {
            return Err(format!(
                "the process died having applied {seq} frames of origin {origin}; now there are more"
            ));
        }
        if left.horizon_ms == found.horizon_ms && left.digest != found.digest {
            return Err(
                "the process died, and the replay of its journal gives other points than it held".into()
            );
        }
    }
    lacking(&left.held, &found.held, found, risen).map_err(|what| format!("of what it had synced {what}"))
}

/// What of a frontier is not in another. Origins that are over may have come back in place of the history that stood
/// for them: the manifest names both, and the newest one may not have been written. A history of 1 stands for none.
fn lacking(all: &Frontier, has: &Frontier, found: &Past, risen: &BTreeSet<Origin>) -> Result<(), String> {
    let came_back = found.applied.iter().any(|(origin, _)| origin != HISTORY && all.get(origin) == 0);
    for (origin, range) in has.missing_from(all) {
        let is_left = origin == HISTORY && (came_back || *range.end() == 1);
        if !(is_left || risen.contains(&origin)) {
            return Err(format!("frames {}..={} of origin {origin} are gone", range.start(), range.end()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Origin = Origin([1; 16]);

    fn past(entries: &[(Origin, u64)]) -> Past {
        let frontier = Frontier::from_entries(entries.iter().copied());
        let (applied, held) = (frontier.clone(), frontier);
        Past { applied, held, owed: Frontier::default(), digest: None, horizon_ms: 0, kept_cache: false }
    }

    #[test]
    fn what_was_synced_must_be_there_and_a_history_may_become_origins_again() {
        let none = BTreeSet::new();
        let check = |left: &Past, found: &Past| super::check(Some(left), found, &none);
        let left = past(&[(OTHER, 5)]);
        assert!(check(&left, &past(&[(OTHER, 5)])).is_ok());
        assert!(check(&left, &past(&[(OTHER, 4)])).is_err());
        let died = Past { kept_cache: true, ..left.clone() };
        assert!(check(&died, &past(&[(OTHER, 6)])).is_err(), "a frame that nobody wrote");
        let over = past(&[(HISTORY, 9)]);
        assert!(check(&over, &past(&[(OTHER, 5), (HISTORY, 3)])).is_ok());
        assert!(check(&over, &past(&[(HISTORY, 3)])).is_err(), "what they left is gone");
        assert!(
            check(&past(&[(OTHER, 5), (HISTORY, 1)]), &past(&[(OTHER, 5)])).is_ok(),
            "it stands for none"
        );
        assert!(
            super::check(Some(&left), &past(&[]), &[OTHER].into()).is_ok(),
            "it had risen from the journal"
        );
    }
}
