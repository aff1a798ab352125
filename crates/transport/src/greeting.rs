//! The first words on a connection, both ways: who speaks and which versions of the protocol. Until both
//! ends have accepted each other's greeting nothing else is sent.
//!
//! ```text
//!  | "SHOL" | min: u16 | max: u16 | length: u16 | cluster: u8 length, text | node: 16 | incarnation: u64
//!  | origin: 16 | address: u8 4 or 6, bytes, port: u16 | what later versions add |
//! ```
//!
//! Integers are little-endian. The first ten bytes never change, so that any two versions can refuse each other.

use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, BufMut};
use shoal_model::{Incarnation, NodeId, Origin};

use crate::refusal::Refusal;

/// The versions of the protocol that this program speaks.
pub(crate) const VERSIONS: Versions = Versions { min: 1, max: 1 };
/// Length of the part that never changes.
pub(crate) const HEAD_BYTES: usize = 10;
/// Longest cluster name.
pub(crate) const CLUSTER_BYTES_MAX: usize = 128;
/// Longest body that is read: this version's is under 200 bytes, later ones have room to grow.
const BODY_BYTES_MAX: usize = 1024;
const MAGIC: [u8; 4] = *b"SHOL";

/// A range of protocol versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) min: u16,
    pub(crate) max: u16,
}

impl Versions {
    /// The version that two ends speak whose ranges overlap: the newest that both know.
    pub(crate) fn agreed(self, theirs: Versions) -> u16 {
        self.max.min(theirs.max)
    }
}

/// Which life of which node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The node.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// The name of its frames in this life.
    pub origin: Origin,
}

/// What a node says of itself before all else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) versions: Versions,
    pub(crate) cluster: String,
    pub(crate) hello: Hello,
    pub(crate) address: SocketAddr,
}

/// The part of a greeting that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) versions: Versions,
    pub(crate) body_bytes: usize,
}

impl Greeting {
    /// The greeting as it is sent.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        let name_bytes = u8::try_from(self.cluster.len()).expect("a mesh is not bound under a longer name");
        body.put_u8(name_bytes);
        body.put_slice(self.cluster.as_bytes());
        body.put_slice(&self.hello.node.0);
        body.put_u64_le(self.hello.incarnation.0);
        body.put_slice(&self.hello.origin.0);
        put_address(&mut body, self.address);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.put_slice(&MAGIC);
        bytes.put_u16_le(self.versions.min);
        bytes.put_u16_le(self.versions.max);
        bytes.put_u16_le(u16::try_from(body.len()).expect("the parts are shorter than 64 KiB"));
        bytes.put_slice(&body);
        bytes
    }

    /// Reads the body that belongs to a head; bytes after what is known are a later version's.
    pub(crate) fn decode(head: Head, mut body: &[u8]) -> Result<Self, Refusal> {
        let bytes = &mut body;
        let name_bytes = bytes.try_get_u8().map_err(|_| Refusal::Malformed)?;
        let name = bytes.split_off(..usize::from(name_bytes)).ok_or(Refusal::Malformed)?;
        let cluster = std::str::from_utf8(name).map_err(|_| Refusal::Malformed)?.to_owned();
        let node = NodeId(take(bytes)?);
        let incarnation = Incarnation(bytes.try_get_u64_le().map_err(|_| Refusal::Malformed)?);
        let origin = Origin(take(bytes)?);
        let address = take_address(bytes)?;
        let hello = Hello { node, incarnation, origin };
        Ok(Self { versions: head.versions, cluster, hello, address })
    }

    /// Whether we, who would say `self`, talk with somebody who greets so.
    pub(crate) fn judge(&self, theirs: &Greeting) -> Result<(), Refusal> {
        if theirs.cluster != self.cluster {
            return Err(Refusal::Cluster);
        }
        if theirs.hello.node == self.hello.node && theirs.hello.origin == self.hello.origin {
            return Err(Refusal::Oneself);
        }
        Ok(())
    }
}

impl Head {
    /// Reads the part that never changes, and refuses where no version is common.
    pub(crate) fn decode(bytes: [u8; HEAD_BYTES], ours: Versions) -> Result<Self, Refusal> {
        let mut bytes = bytes.as_slice();
        if take(&mut bytes)? != MAGIC {
            return Err(Refusal::Malformed);
        }
        let versions = Versions { min: bytes.get_u16_le(), max: bytes.get_u16_le() };
        let body_bytes = usize::from(bytes.get_u16_le());
        if versions.min > ours.max || versions.max < ours.min {
            return Err(Refusal::Version);
        }
        if versions.min > versions.max || body_bytes > BODY_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        Ok(Self { versions, body_bytes })
    }
}

/// Whether others can dial an address: a wildcard or a missing port names nobody.
pub(crate) fn is_dialable(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && !address.ip().is_multicast() && address.port() != 0
}

fn put_address(bytes: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.put_u8(4);
            bytes.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.put_u8(6);
            bytes.put_slice(&ip.octets());
        }
    }
    bytes.put_u16_le(address.port());
}

fn take_address(bytes: &mut &[u8]) -> Result<SocketAddr, Refusal> {
    let ip = match bytes.try_get_u8().map_err(|_| Refusal::Malformed)? {
        4 => IpAddr::from(take::<4>(bytes)?),
        6 => IpAddr::from(take::<16>(bytes)?),
        _ => return Err(Refusal::Malformed),
    };
    let address = SocketAddr::new(ip, bytes.try_get_u16_le().map_err(|_| Refusal::Malformed)?);
    if is_dialable(address) { Ok(address) } else { Err(Refusal::Malformed) }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Refusal> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Refusal::Malformed)?;
    *bytes = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Greeting {
        Greeting {
            versions: VERSIONS,
            cluster: "shoal".to_owned(),
            hello: Hello { node: NodeId([1; 16]), incarnation: Incarnation(3), origin: Origin([2; 16]) },
            address: "[2001:db8::1]:7401".parse().unwrap(),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Greeting, Refusal> {
        let (head, body) = bytes.split_first_chunk().ok_or(Refusal::Malformed)?;
        let head = Head::decode(*head, VERSIONS)?;
        Greeting::decode(head, body.get(..head.body_bytes).ok_or(Refusal::Malformed)?)
    }

    #[test]
    fn a_greeting_survives_the_wire() {
        for address in ["127.0.0.1:7401", "[2001:db8::1]:1"] {
            let greeting = Greeting { address: address.parse().unwrap(), ..greeting() };
            assert_eq!(decode(&greeting.encode()), Ok(greeting));
        }
    }

    #[test]
    fn the_bytes_of_a_greeting_are_fixed() {
        let greeting = Greeting { address: "127.0.0.1:7401".parse().unwrap(), ..greeting() };
        let mut expected = b"SHOL\x01\0\x01\0\x35\0\x05shoal".to_vec();
        expected.extend([1; 16]);
        expected.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([2; 16]);
        expected.extend([4, 127, 0, 0, 1, 0xe9, 0x1c]);
        assert_eq!(greeting.encode(), expected);
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let mut bytes = greeting().encode();
        bytes[8] += 3;
        bytes.extend(b"new");
        assert_eq!(decode(&bytes), Ok(greeting()));
    }

    #[test]
    fn cut_greetings_are_malformed() {
        let bytes = greeting().encode();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(Refusal::Malformed), "{length}");
            let Some((head, body)) = bytes[..length].split_first_chunk() else { continue };
            let head = Head::decode(*head, VERSIONS).unwrap();
            assert_eq!(Greeting::decode(head, body), Err(Refusal::Malformed), "{length}");
        }
    }

    #[test]
    fn no_byte_of_a_greeting_can_make_the_reader_panic() {
        let bytes = greeting().encode();
        for place in 0..bytes.len() {
            for value in [0, 1, 4, 6, 0x7f, 0x80, 0xff] {
                let mut broken = bytes.clone();
                broken[place] = value;
                let _ = decode(&broken);
            }
        }
    }

    #[test]
    fn an_announced_length_beyond_the_limit_is_refused_before_it_is_read() {
        let mut bytes = greeting().encode();
        bytes[8..10].copy_from_slice(&2000_u16.to_le_bytes());
        assert_eq!(decode(&bytes), Err(Refusal::Malformed));
    }

    #[test]
    fn versions_must_overlap() {
        let speaking =
            |min, max| decode(&Greeting { versions: Versions { min, max }, ..greeting() }.encode());
        assert!(speaking(1, 9).is_ok());
        assert!(speaking(0, 1).is_ok());
        assert_eq!(speaking(2, 3), Err(Refusal::Version));
        assert_eq!(speaking(0, 0), Err(Refusal::Version));
        assert_eq!(speaking(9, 1), Err(Refusal::Version));
        assert_eq!(speaking(1, 0), Err(Refusal::Version));
    }

    #[test]
    fn neighbouring_releases_speak_the_newest_that_both_know() {
        let (old, new) = (Versions { min: 1, max: 2 }, Versions { min: 2, max: 3 });
        assert_eq!((old.agreed(new), new.agreed(old), new.agreed(new)), (2, 2, 3));
    }

    #[test]
    fn strangers_and_oneself_are_refused() {
        let ours = greeting();
        let other = Hello { node: NodeId([9; 16]), ..ours.hello };
        let next_life = Hello { origin: Origin([9; 16]), ..ours.hello };
        assert_eq!(ours.judge(&Greeting { hello: other, ..greeting() }), Ok(()));
        assert_eq!(ours.judge(&Greeting { hello: next_life, ..greeting() }), Ok(()));
        assert_eq!(ours.judge(&greeting()), Err(Refusal::Oneself));
        let stranger = Greeting { cluster: "reef".to_owned(), hello: other, ..greeting() };
        assert_eq!(ours.judge(&stranger), Err(Refusal::Cluster));
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_malformed() {
        for address in ["0.0.0.0:7401", "[::]:7401", "127.0.0.1:0", "224.0.0.1:7401"] {
            let greeting = Greeting { address: address.parse().unwrap(), ..greeting() };
            assert_eq!(decode(&greeting.encode()), Err(Refusal::Malformed), "{address}");
        }
    }
}
