//! Writers, each kept once and counted: a number goes back when its last stream does, because sessions come and
//! go for as long as a node lives.

use hashbrown::HashMap;
use shoal_model::Writer;

/// Writers by number and numbers by writer.
#[derive(Default)]
pub(super) struct Writers {
    writers: Vec<(Writer, u32)>,
    numbers: HashMap<Writer, u32>,
    free: Vec<u32>,
}

impl Writers {
    /// The number of a writer that has a stream.
    pub(super) fn find(&self, writer: &Writer) -> Option<u32> {
        self.numbers.get(writer).copied()
    }

    /// The number of a writer, for one more stream.
    pub(super) fn acquire(&mut self, writer: Writer) -> u32 {
        if let Some(number) = self.numbers.get(&writer) {
            self.writers[*number as usize].1 += 1;
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.writers.push((writer, 0));
            self.writers.len() as u32 - 1
        });
        self.writers[number as usize] = (writer, 1);
        self.numbers.insert(writer, number);
        number
    }

    /// One stream less.
    pub(super) fn release(&mut self, number: u32) {
        let (writer, uses) = &mut self.writers[number as usize];
        *uses -= 1;
        if *uses == 0 {
            self.numbers.remove(writer);
            self.free.push(number);
        }
    }

    /// The writer with a number.
    pub(super) fn writer(&self, number: u32) -> Option<Writer> {
        self.writers.get(number as usize).map(|(writer, _)| *writer)
    }

    /// Every writer by number, those without a stream included.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = Writer> {
        self.writers.iter().map(|(writer, _)| *writer)
    }

    /// Writers by number, each with how many streams it has.
    pub(super) fn restore(writers: Vec<Writer>, uses: Vec<u32>) -> Self {
        let writers: Vec<(Writer, u32)> = writers.into_iter().zip(uses).collect();
        let numbered = || (0..).zip(&writers);
        let live = numbered().filter(|(_, (_, uses))| *uses > 0);
        let numbers = live.map(|(number, (writer, _))| (*writer, number)).collect();
        let free = numbered().filter(|(_, (_, uses))| *uses == 0).map(|(number, _)| number).collect();
        Self { writers, numbers, free }
    }

    /// About how much memory the writers take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.writers.capacity() * 20 + self.numbers.allocation_size() + self.free.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_back_with_the_last_stream() {
        let mut writers = Writers::default();
        let [a, b] = [Writer([1; 16]), Writer([2; 16])];
        assert_eq!([a, b, a].map(|writer| writers.acquire(writer)), [0, 1, 0]);
        writers.release(0);
        assert_eq!((writers.find(&a), writers.writer(0)), (Some(0), Some(a)));
        writers.release(0);
        assert_eq!((writers.find(&a), writers.find(&b)), (None, Some(1)));
        assert_eq!(writers.acquire(Writer([3; 16])), 0);
    }
}
