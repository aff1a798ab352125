//! What happens next: events in order of virtual time, and among equal times in the order in which they were
//! put in. There is one, so there is one order.

use std::collections::BTreeMap;
use std::time::Duration;

/// The events that are still to come.
#[derive(Debug)]
pub struct Schedule<E> {
    events: BTreeMap<(Duration, u64), E>,
    next: u64,
}

impl<E> Schedule<E> {
    /// Nothing to come.
    pub fn new() -> Self {
        Self { events: BTreeMap::new(), next: 0 }
    }

    /// Lets an event happen at a time.
    pub fn push(&mut self, at: Duration, event: E) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// Takes the next event out, if it happens no later than `end`.
    pub fn pop_until(&mut self, end: Duration) -> Option<(Duration, E)> {
        let (at, _) = *self.events.first_key_value()?.0;
        if at > end {
            return None;
        }
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_they_were_put_in() {
        let mut schedule = Schedule::new();
        let at = Duration::from_millis;
        [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b'), (9, 'z')]
            .into_iter()
            .for_each(|(ms, name)| schedule.push(at(ms), name));
        let order: String = std::iter::from_fn(|| schedule.pop_until(at(8)).map(|(_, name)| name)).collect();
        assert_eq!(order, "abcd");
        assert_eq!(schedule.pop_until(at(9)), Some((at(9), 'z')));
    }
}
