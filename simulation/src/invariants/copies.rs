//! An answer never names more copies than there are: so many disks hold the frame, by the account of their own
//! nodes. Not asked for a while after a disk was lost, whose copy was true when it was told.

use shoal_replication::Receipt;

use crate::life::Node;

/// What is wrong with an answer.
pub fn check(nodes: &[Node], receipt: &Receipt) -> Result<(), String> {
    let frame = receipt.frame;
    let disks = nodes.iter().filter(|node| node.holds(frame)).count();
    if disks >= receipt.copies as usize {
        return Ok(());
    }
    Err(format!(
        "frame {} of origin {} was acknowledged with {} copies; {disks} disks hold it",
        frame.seq, frame.origin, receipt.copies
    ))
}
