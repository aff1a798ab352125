//! No acknowledged point is lost: each node holds every point that was promised, with its value, unless the only
//! disk that was ever said to hold it is gone.

use crate::oracle::{Contents, Oracle};

/// What is wrong with what a node holds.
pub fn check(oracle: &Oracle, name: &str, contents: &Contents) -> Result<(), String> {
    let kept = oracle.promises().iter().filter(|promise| !promise.is_void);
    let lacks = |id, value: f64| contents.get(&id).is_none_or(|held| held.to_bits() != value.to_bits());
    let broken: Vec<_> =
        kept.filter(|promise| promise.points().any(|(id, value)| lacks(id, value))).collect();
    match broken.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{name} lacks points of {} acknowledged writes, first of frame {} of origin {}, taken by n{} with {} copies",
            broken.len(),
            first.frame.seq,
            first.frame.origin,
            first.node,
            first.copies
        )),
    }
}
