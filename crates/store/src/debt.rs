//! A debt: what this node has not got though its frontier covers it. A gap in an origin's frames that no journal
//! can fill any more is passed over at once, and the points are fetched from another node's windows. The debt is
//! durable before the frontier jumps, and goes when the points are durable too.

use shoal_merge::Frontier;
use shoal_model::Origin;

use crate::bytes::{Malformed, Reader, put_varint};
use crate::frame::FrameId;

/// What is owed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// Points of frames up to here may be missing, whatever else says that they were applied.
    pub frontier: Frontier,
}

impl Debt {
    /// Whether a frame's points may be missing.
    pub fn covers(&self, id: FrameId) -> bool {
        id.seq <= self.frontier.get(id.origin)
    }

    /// Appends a debt, or that there is none, for the manifest.
    pub(crate) fn put(debt: Option<&Self>, out: &mut Vec<u8>) {
        let Some(Self { frontier }) = debt else { return out.push(0) };
        out.push(1);
        put_heads(out, frontier.iter());
    }

    /// Reads it back.
    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        match reader.u8()? {
            0 => Ok(None),
            1 => Ok(Some(Self { frontier: Frontier::from_entries(take_heads(reader)?) })),
            _ => Err(Malformed),
        }
    }
}

/// Appends numbers by origin.
pub(crate) fn put_heads(out: &mut Vec<u8>, heads: impl Iterator<Item = (Origin, u64)>) {
    let heads: Vec<_> = heads.collect();
    put_varint(out, heads.len() as u64);
    for (origin, seq) in heads {
        out.extend_from_slice(&origin.0);
        put_varint(out, seq);
    }
}

/// Reads them back.
pub(crate) fn take_heads(reader: &mut Reader<'_>) -> Result<Vec<(Origin, u64)>, Malformed> {
    (0..reader.count()?).map(|_| Ok((Origin(reader.array()?), reader.varint()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debts_come_back() {
        let frontier = Frontier::from_entries([(Origin([1; 16]), 7), (Origin([2; 16]), 300)]);
        for debt in [None, Some(Debt::default()), Some(Debt { frontier })] {
            let mut out = Vec::new();
            Debt::put(debt.as_ref(), &mut out);
            assert_eq!(Debt::take(&mut Reader::new(&out)), Ok(debt));
        }
        assert_eq!(Debt::take(&mut Reader::new(&[2])), Err(Malformed));
    }
}
