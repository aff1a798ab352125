//! Which streams a block has points of, as far as that is asked: only those pages of the index are read that may
//! name one of them.

use roaring::RoaringBitmap;

use super::reader::Block;
use super::stretch::Stretch;

/// Bytes of the index read in one go.
const AHEAD_BYTES: u64 = 256 * 1024;

impl Block {
    /// Takes the places that have points here out of a set; of a page that has rotted, all that it may have named.
    pub(crate) fn take_out_places(&self, places: &mut RoaringBitmap) {
        let (mut pages, mut entries) = (Stretch::default(), Vec::new());
        for page in 0..self.index().len() {
            let range = self.index().places(page);
            if places.range_cardinality(range.clone()) == 0 {
                continue;
            }
            match self.load_page(page, &mut pages, AHEAD_BYTES, &mut entries) {
                Ok(()) => entries.iter().for_each(|entry| {
                    places.remove(entry.place);
                }),
                Err(_) => {
                    places.remove_range(range);
                }
            }
        }
    }
}
