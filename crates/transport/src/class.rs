//! Traffic classes: what may be lost, what must keep its order, what goes first when a link is busy.

/// The class of a message; classes share a connection and do not hold one another up.
///
/// Each of `Control`, `Frames` and `Repair` is one ordered stream per connection and direction: the byte of
/// the class, then messages.
///
/// ```text
///  | class: u8 | length: u32 LE | message | length: u32 LE | message | …
/// ```
///
/// A `Gossip` message is a QUIC datagram, all of it, or where that is too small a stream with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Small, repeated, worthless when late: the oldest goes first when the queue is full.
    Gossip = 1,
    /// Small and urgent: acknowledgements, frontiers, probes.
    Control = 2,
    /// New frames.
    Frames = 3,
    /// Old data for a peer that lacks it.
    Repair = 4,
}

impl Class {
    /// All classes, the most urgent first.
    pub const ALL: [Class; 4] = [Class::Gossip, Class::Control, Class::Frames, Class::Repair];

    /// Bytes that may wait for one peer: enough to ride out a dial at full rate, little enough that an
    /// unreachable peer costs nothing that matters.
    pub fn backlog_bytes_max(self) -> usize {
        match self {
            Class::Gossip => 64 * 1024,
            Class::Control => 1024 * 1024,
            Class::Frames | Class::Repair => 16 * 1024 * 1024,
        }
    }

    /// Messages that may wait for the node's loop: gossip for some rounds of a large cluster, acknowledgements of
    /// many peers; of what is large only enough to keep the loop busy, for more would only hide that it is slow.
    pub(crate) fn arrivals_max(self) -> usize {
        match self {
            Class::Gossip => 1024,
            Class::Control => 256,
            Class::Frames => 32,
            Class::Repair => 2,
        }
    }

    /// Priority of the class's stream; QUIC sends the greater first.
    pub(crate) fn priority(self) -> i32 {
        match self {
            Class::Gossip => 3,
            Class::Control => 2,
            Class::Frames => 1,
            Class::Repair => 0,
        }
    }

    /// The byte that names the class on the wire.
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    /// The class that a byte names.
    pub(crate) fn from_byte(byte: u8) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.byte() == byte)
    }

    /// The place of the class in an array of all.
    pub(crate) fn index(self) -> usize {
        usize::from(self.byte()) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_by_its_byte() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(Class::from_byte(class.byte()), Some(class));
            assert_eq!(class.index(), index);
        }
        assert_eq!(Class::from_byte(0), None);
        assert_eq!(Class::from_byte(5), None);
    }
}
