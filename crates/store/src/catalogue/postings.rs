//! Which series have a label: for each pair of name and value a set of series numbers, and for each name the
//! union of them. A set of one, which every unique value leads to, is kept in place and costs no allocation.

use std::borrow::Cow;

use hashbrown::HashMap;
use roaring::{MultiOps, RoaringBitmap};

/// The series with one value of one label.
pub(super) enum Posting {
    One(u32),
    Many(RoaringBitmap),
}

/// One label's values.
#[derive(Default)]
pub(super) struct Values {
    /// The series that have the label at all.
    pub(super) present: RoaringBitmap,
    /// The series by symbol of the value.
    pub(super) by_value: HashMap<u32, Posting>,
}

/// All series, and those that have each label.
#[derive(Default)]
pub(super) struct Postings {
    pub(super) all: RoaringBitmap,
    pub(super) by_name: HashMap<u32, Values>,
}

impl Posting {
    fn insert(&mut self, series: u32) {
        match self {
            Self::One(other) => *self = Self::Many(RoaringBitmap::from_iter([*other, series])),
            Self::Many(set) => {
                set.insert(series);
            }
        }
    }

    /// Whether nothing is left.
    fn remove(&mut self, series: u32) -> bool {
        match self {
            Self::One(one) => *one == series,
            Self::Many(set) => {
                set.remove(series);
                set.is_empty()
            }
        }
    }

    /// How many series it holds.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Many(set) => set.len(),
        }
    }

    /// Whether it holds one of the given series.
    pub(super) fn meets(&self, series: &RoaringBitmap) -> bool {
        match self {
            Self::One(one) => series.contains(*one),
            Self::Many(set) => !set.is_disjoint(series),
        }
    }

    /// The series as a set.
    pub(super) fn set(&self) -> Cow<'_, RoaringBitmap> {
        match self {
            Self::One(one) => Cow::Owned(RoaringBitmap::from_iter([*one])),
            Self::Many(set) => Cow::Borrowed(set),
        }
    }
}

impl Postings {
    /// Takes a series in.
    pub(super) fn insert(&mut self, series: u32, pairs: &[(u32, u32)]) {
        self.all.insert(series);
        for (name, value) in pairs {
            let values = self.by_name.entry(*name).or_default();
            values.present.insert(series);
            let posting = values.by_value.entry(*value);
            posting.and_modify(|posting| posting.insert(series)).or_insert(Posting::One(series));
        }
    }

    /// Takes a series out; values and names that nobody has go with it.
    pub(super) fn remove(&mut self, series: u32, pairs: &[(u32, u32)]) {
        self.all.remove(series);
        for (name, value) in pairs {
            let Some(values) = self.by_name.get_mut(name) else { continue };
            values.present.remove(series);
            if values.by_value.get_mut(value).is_some_and(|posting| posting.remove(series)) {
                values.by_value.remove(value);
            }
            if values.by_value.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Gives every symbol its new number; what has none is nobody's label.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        let values = |old: Values| {
            let by_value = old.by_value.into_iter();
            let by_value = by_value.filter_map(|(value, posting)| Some((number(value)?, posting)));
            Values { present: old.present, by_value: by_value.collect() }
        };
        let by_name = std::mem::take(&mut self.by_name).into_iter();
        self.by_name = by_name.filter_map(|(name, old)| Some((number(name)?, values(old)))).collect();
    }

    /// About how much memory the sets take.
    pub(super) fn memory_bytes(&self) -> usize {
        let posting = |posting: &Posting| match posting {
            Posting::One(_) => 0,
            Posting::Many(set) => CONTAINER_BYTES + set.serialized_size(),
        };
        let values = |values: &Values| {
            values.present.serialized_size()
                + values.by_value.allocation_size()
                + values.by_value.values().map(posting).sum::<usize>()
        };
        self.all.serialized_size()
            + self.by_name.allocation_size()
            + self.by_name.values().map(values).sum::<usize>()
    }
}

/// What a set takes beyond its numbers: the vector of its containers and their headers, at their least.
const CONTAINER_BYTES: usize = 64;

/// The union of many sets, the small ones gathered first.
pub(super) fn union<'a>(postings: impl Iterator<Item = &'a Posting>) -> RoaringBitmap {
    let (mut ones, mut sets) = (Vec::new(), Vec::new());
    for posting in postings {
        match posting {
            Posting::One(series) => ones.push(*series),
            Posting::Many(set) => sets.push(set),
        }
    }
    ones.sort_unstable();
    sets.union() | RoaringBitmap::from_iter(ones)
}
