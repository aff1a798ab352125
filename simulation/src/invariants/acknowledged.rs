//! No acknowledged point is lost: each node holds every point that was promised, with its value or a greater one,
//! unless the only disk that was ever said to hold it is gone, or the horizon has passed it.

use shoal_merge::order;
use shoal_store::View;

use crate::invariants::token::is_visible;
use crate::oracle::{Contents, Oracle};

/// What is wrong with what a node holds.
pub fn check(oracle: &Oracle, name: &str, view: &View, contents: &Contents) -> Result<(), String> {
    let kept = oracle.promises().iter().filter(|promise| !promise.is_void);
    let lacks = |id, value: f64| {
        is_visible(view, &id) && contents.get(&id).is_none_or(|held| order::compare(*held, value).is_lt())
    };
    let broken: Vec<_> =
        kept.filter(|promise| promise.points().any(|(id, value)| lacks(id, value))).collect();
    match broken.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{name} lacks points of {} acknowledged writes, first of frame {} of origin {}, taken by n{} and \
             acknowledged at {:?} with {} copies",
            broken.len(),
            first.frame.seq,
            first.frame.origin,
            first.node,
            first.at,
            first.copies
        )),
    }
}
