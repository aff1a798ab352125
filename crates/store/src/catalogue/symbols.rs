//! Label names and values, each kept once: a symbol is the number of a text. All texts stand in one arena, so a
//! symbol costs its bytes and some twenty more. None is ever taken out alone: the catalogue tidies up by
//! building the table anew.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Texts by number and numbers by text.
#[derive(Default)]
pub(super) struct Symbols {
    texts: String,
    ends: Vec<u64>,
    table: HashTable<u32>,
    /// Seeded at random, so that nobody can choose label values that collide.
    hasher: DefaultHashBuilder,
}

impl Symbols {
    /// The text of a symbol; empty for a number that was never given out.
    pub(super) fn text(&self, symbol: u32) -> &str {
        text(&self.texts, &self.ends, symbol)
    }

    /// The symbol of a text, if it has one.
    pub(super) fn find(&self, wanted: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(wanted);
        self.table.find(hash, |symbol| self.text(*symbol) == wanted).copied()
    }

    /// The symbol of a text, which gets one if it has none.
    pub(super) fn intern(&mut self, wanted: &str) -> u32 {
        self.find(wanted).unwrap_or_else(|| self.push(wanted))
    }

    /// Appends a text that is known to be new.
    pub(super) fn push(&mut self, wanted: &str) -> u32 {
        let symbol = u32::try_from(self.ends.len()).expect("memory ends before four billion symbols");
        self.texts.push_str(wanted);
        self.ends.push(self.texts.len() as u64);
        let Self { texts, ends, table, hasher } = self;
        table.insert_unique(hasher.hash_one(wanted), symbol, |other| {
            hasher.hash_one(text(texts, ends, *other))
        });
        symbol
    }

    /// Makes room for so many symbols and bytes of text.
    pub(super) fn reserve(&mut self, symbols: usize, bytes: usize) {
        self.texts.reserve(bytes);
        self.ends.reserve(symbols);
        let Self { texts, ends, table, hasher } = self;
        table.reserve(symbols, |other| hasher.hash_one(text(texts, ends, *other)));
    }

    /// How many symbols there are; they are numbered from 0 on.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All texts, one after the other, in order of number.
    pub(super) fn texts(&self) -> &str {
        &self.texts
    }

    /// About how much memory the table takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.texts.capacity() + self.ends.capacity() * 8 + self.table.allocation_size()
    }
}

fn text<'a>(texts: &'a str, ends: &[u64], symbol: u32) -> &'a str {
    let index = symbol as usize;
    let start = index.checked_sub(1).map_or(0, |before| ends.get(before).copied().unwrap_or_default());
    let end = ends.get(index).copied().unwrap_or_default();
    texts.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_symbol() {
        let mut symbols = Symbols::default();
        let texts: Vec<String> = (0..1000).map(|n| format!("väl{n}")).chain([String::new()]).collect();
        let numbers: Vec<u32> = texts.iter().map(|text| symbols.intern(text)).collect();
        assert_eq!(numbers, (0..=1000).collect::<Vec<_>>());
        assert!(texts.iter().zip(&numbers).all(|(text, n)| symbols.intern(text) == *n));
        assert!(texts.iter().zip(&numbers).all(|(text, n)| symbols.text(*n) == text));
        assert_eq!((symbols.find("other"), symbols.text(1001)), (None, ""));
    }
}
