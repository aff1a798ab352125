//! Pages by their number, in groups that come to be with their first page: a memtable of few points costs little to
//! make, to go through, and to let go of.

use std::sync::OnceLock;

/// Groups, and pages of a group.
const GROUP: usize = 1 << 7;
/// Pages at most.
pub const PAGES: usize = GROUP * GROUP;

type Group<P> = Box<[OnceLock<P>]>;

/// Pages that are set once and then read without a lock.
pub struct Directory<P> {
    groups: Group<Group<P>>,
}

impl<P> Default for Directory<P> {
    fn default() -> Self {
        Self { groups: empty() }
    }
}

impl<P> Directory<P> {
    /// A page, if it is there.
    pub fn get(&self, number: usize) -> Option<&P> {
        self.groups.get(number / GROUP)?.get()?.get(number % GROUP)?.get()
    }

    /// A page, made if it is not there yet; none beyond the last number.
    pub fn get_or_init(&self, number: usize, page: impl FnOnce() -> P) -> Option<&P> {
        let group = self.groups.get(number / GROUP)?.get_or_init(empty);
        Some(group.get(number % GROUP)?.get_or_init(page))
    }

    /// The pages that are there with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &P)> {
        let groups =
            self.groups.iter().enumerate().filter_map(|(number, group)| Some((number, group.get()?)));
        groups.flat_map(|(group, pages)| {
            let pages = pages.iter().enumerate();
            pages.filter_map(move |(number, page)| Some((group * GROUP + number, page.get()?)))
        })
    }

    /// The pages, given up.
    pub fn into_pages(self) -> impl Iterator<Item = P> {
        let groups = self.groups.into_iter().filter_map(OnceLock::into_inner);
        groups.flatten().filter_map(OnceLock::into_inner)
    }

    /// Bytes that it takes itself.
    pub fn memory_bytes(&self) -> usize {
        let groups = self.groups.iter().filter(|group| group.get().is_some()).count();
        GROUP * size_of::<OnceLock<Group<P>>>() + groups * GROUP * size_of::<OnceLock<P>>()
    }
}

fn empty<T>() -> Box<[OnceLock<T>]> {
    (0..GROUP).map(|_| OnceLock::new()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_by_number_and_given_up_in_order() {
        let directory = Directory::default();
        let numbers = [0, 127, 128, 5_000, PAGES - 1];
        numbers
            .iter()
            .for_each(|number| assert_eq!(directory.get_or_init(*number, || *number), Some(number)));
        assert_eq!(directory.get_or_init(127, || 0), Some(&127), "it is set once");
        assert_eq!(directory.get_or_init(PAGES, || 0), None);
        assert_eq!(
            (directory.get(5_000), directory.get(1), directory.get(PAGES)),
            (Some(&5_000), None, None)
        );
        assert!(directory.iter().eq(numbers.iter().map(|number| (*number, number))));
        assert!(directory.into_pages().eq(numbers));
    }
}
