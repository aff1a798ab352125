//! A session reads what it wrote: a node that has applied a write's frame shows its points, whatever has been
//! flushed, merged or restarted since.

use shoal_model::time;
use shoal_store::{Store, View};

use crate::oracle::{PointId, Promise};

/// What is wrong with what a node shows of a write that it has applied.
pub fn check(store: &Store, promise: &Promise) -> Result<(), String> {
    let view = store.view();
    let shown = promise.points().filter(|(id, _)| is_visible(&view, id));
    for (id, value) in shown {
        if !shows(store, &view, &id, value) {
            return Err(format!(
                "frame {} of origin {} is applied, but its point of {:?} at {} cannot be read",
                promise.frame.seq, promise.frame.origin, id.0, id.1
            ));
        }
    }
    Ok(())
}

/// Whether the horizon has not passed a point.
pub fn is_visible(view: &View, (stream, time): &PointId) -> bool {
    time::millis(stream.kind, *time) >= view.horizon_ms()
}

/// Whether a point can be read, or cannot for damage that the read names.
fn shows(store: &Store, view: &View, (stream, time): &PointId, value: f64) -> bool {
    let millis = time::millis(stream.kind, *time);
    let Some(place) = store.catalogue().read().place(stream) else { return false };
    let mut points = Vec::new();
    if view.read(place, stream.kind, millis..=millis, &mut points).is_err() {
        return true;
    }
    let found = points.iter().find(|point| point.time == *time);
    found.is_some_and(|point| shoal_merge::order::compare(point.value, value).is_ge())
}
