//! Putting series in order of their labels. The texts of a selection are sorted once, each symbol gets its rank,
//! and series are then compared as runs of ranks, which lie side by side.

use roaring::RoaringBitmap;

use super::Catalogue;

impl Catalogue {
    /// Series in order of their labels, compared as sequences of (name, value).
    pub(super) fn in_order_of_labels(&self, found: &RoaringBitmap) -> Vec<u32> {
        let mut keys = Vec::new();
        let mut series = Vec::with_capacity(found.len() as usize);
        for number in found {
            let start = keys.len();
            keys.extend(self.series.pairs(number).flat_map(|(name, value)| [name, value]));
            series.push((number, start..keys.len()));
        }
        self.rank(&mut keys);
        let key = |range: &std::ops::Range<usize>| keys.get(range.clone()).unwrap_or_default();
        series.sort_unstable_by(|a, b| key(&a.1).cmp(key(&b.1)));
        series.into_iter().map(|(number, _)| number).collect()
    }

    /// Puts in place of each symbol the rank of its text.
    fn rank(&self, symbols: &mut [u32]) {
        let mut used = symbols.to_vec();
        used.sort_unstable();
        used.dedup();
        used.sort_unstable_by_key(|symbol| self.symbols.text(*symbol));
        let mut ranks = vec![0; self.symbols.len()];
        for (rank, symbol) in (0..).zip(&used) {
            ranks[*symbol as usize] = rank;
        }
        for symbol in symbols {
            *symbol = ranks[*symbol as usize];
        }
    }
}
