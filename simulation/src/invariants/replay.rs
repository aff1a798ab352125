//! A restart finds what was there: after the death of a process all of it, after a power loss all that the store
//! had called synced.

use crate::life::Past;

/// What is wrong with what a start found on its disk, given what the last process left.
pub fn check(left: Option<&Past>, found: &Past) -> Result<(), String> {
    let Some(left) = left else { return Ok(()) };
    // An origin that was let go of, since all its points are below the horizon, may come back from the journal.
    let differs = |(origin, seq)| found.applied.get(origin) != seq;
    let has_other_points = left.horizon_ms == found.horizon_ms && left.digest != found.digest;
    if left.kept_cache && (left.applied.iter().any(differs) || has_other_points) {
        return Err(
            "the process died, and the replay of its journal gives something else than it held".into()
        );
    }
    let missing = found.held.missing_from(&left.held);
    match missing.first() {
        None => Ok(()),
        Some((origin, range)) => {
            Err(format!("synced frames {}..={} of origin {origin} are gone", range.start(), range.end()))
        }
    }
}
