//! What waits for one peer: a queue per class, each bounded in bytes.
//!
//! A full gossip queue lets its oldest go, because newer gossip says more; the others refuse the newest,
//! because what is queued has an order. One message always fits, whatever its size.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::class::Class;

/// The messages that wait for one peer.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: [Queue; Class::ALL.len()],
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

/// What became of a message, and how many others went for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken { displaced: usize },
    Full,
}

impl Queues {
    /// Appends a message, if there is room or can be made.
    pub(crate) fn push(&mut self, class: Class, message: Bytes) -> Pushed {
        let queue = self.queue_mut(class);
        let mut displaced = 0;
        while !queue.messages.is_empty() && queue.bytes + message.len() > class.backlog_bytes_max() {
            if class != Class::Gossip {
                return Pushed::Full;
            }
            queue.pop();
            displaced += 1;
        }
        queue.bytes += message.len();
        queue.messages.push_back(message);
        Pushed::Taken { displaced }
    }

    /// The oldest message of a class; it stays until it was sent, so that a broken connection does not lose it.
    pub(crate) fn front(&self, class: Class) -> Option<Bytes> {
        self.queue(class).messages.front().cloned()
    }

    /// Takes the oldest message of a class.
    pub(crate) fn pop(&mut self, class: Class) -> Option<Bytes> {
        self.queue_mut(class).pop()
    }

    /// Appends what another holds, and returns how many found no room.
    pub(crate) fn absorb(&mut self, mut other: Queues) -> usize {
        let mut dropped = 0;
        for class in Class::ALL {
            while let Some(message) = other.pop(class) {
                dropped += match self.push(class, message) {
                    Pushed::Taken { displaced } => displaced,
                    Pushed::Full => 1,
                };
            }
        }
        dropped
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.queues.iter().map(|queue| queue.messages.len()).sum()
    }

    fn queue(&self, class: Class) -> &Queue {
        self.queues.get(class.index()).expect("there is a queue for each class")
    }

    fn queue_mut(&mut self, class: Class) -> &mut Queue {
        self.queues.get_mut(class.index()).expect("there is a queue for each class")
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn message(byte: u8, length: usize) -> Bytes {
        Bytes::from(vec![byte; length])
    }

    #[test]
    fn full_gossip_lets_the_oldest_go() {
        let mut queues = Queues::default();
        for byte in 0..4 {
            assert_eq!(queues.push(Class::Gossip, message(byte, 16 * KIB)), Pushed::Taken { displaced: 0 });
        }
        assert_eq!(queues.push(Class::Gossip, message(9, 20 * KIB)), Pushed::Taken { displaced: 2 });
        assert_eq!(queues.front(Class::Gossip), Some(message(2, 16 * KIB)));
        assert_eq!(queues.len(), 3);
    }

    #[test]
    fn the_other_classes_refuse_the_newest() {
        let mut queues = Queues::default();
        assert_eq!(queues.push(Class::Control, message(1, KIB * KIB)), Pushed::Taken { displaced: 0 });
        assert_eq!(queues.push(Class::Control, message(2, 1)), Pushed::Full);
        assert_eq!(queues.push(Class::Frames, message(3, 1)), Pushed::Taken { displaced: 0 });
        assert_eq!(queues.pop(Class::Control), Some(message(1, KIB * KIB)));
        assert_eq!(queues.push(Class::Control, message(2, 1)), Pushed::Taken { displaced: 0 });
    }

    #[test]
    fn one_message_fits_whatever_its_size() {
        let mut queues = Queues::default();
        for class in Class::ALL {
            let large = message(1, class.backlog_bytes_max() + 1);
            assert_eq!(queues.push(class, large), Pushed::Taken { displaced: 0 });
        }
    }

    #[test]
    fn what_another_held_comes_after_what_is_here() {
        let (mut queues, mut other) = (Queues::default(), Queues::default());
        queues.push(Class::Control, message(1, 1));
        other.push(Class::Control, message(2, 1));
        other.push(Class::Control, message(3, KIB * KIB - 2));
        other.push(Class::Frames, message(4, 1));
        assert_eq!(queues.absorb(other), 0);
        let control: Vec<_> = std::iter::from_fn(|| queues.pop(Class::Control)).map(|m| m[0]).collect();
        assert_eq!(control, [1, 2, 3]);
        assert_eq!(queues.len(), 1);
    }
}
