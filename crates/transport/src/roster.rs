//! The peers by address. A peer stands under the address that it advertises, and for as long as it is
//! connected also under others that led to it, such as a seed's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::outbox::Outbox;

/// Beyond so many, peers that were not reached lately are forgotten with each new one.
const PEERS_KEPT: usize = 64;

/// The outboxes by address.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    outboxes: BTreeMap<SocketAddr, Arc<Outbox>>,
}

impl Roster {
    /// The outbox that an address leads to.
    pub(crate) fn get(&self, address: SocketAddr) -> Option<Arc<Outbox>> {
        self.outboxes.get(&address).cloned()
    }

    /// All outboxes, some perhaps more than once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.outboxes.values()
    }

    /// How many peers are connected, by the version of the protocol that is spoken with them.
    pub(crate) fn versions(&self) -> BTreeMap<u16, u64> {
        let own = self.outboxes.iter().filter(|(address, outbox)| **address == outbox.address);
        let mut versions = BTreeMap::new();
        for version in own.filter_map(|(_, outbox)| outbox.peer().version()) {
            *versions.entry(version).or_default() += 1;
        }
        versions
    }

    /// A new outbox for an address.
    pub(crate) fn add(&mut self, address: SocketAddr, now: Instant) -> Arc<Outbox> {
        if self.outboxes.len() >= PEERS_KEPT {
            self.outboxes.retain(|_, outbox| !outbox.peer().is_forgettable(now));
        }
        let outbox = Arc::new(Outbox::new(address));
        self.outboxes.insert(address, outbox.clone());
        outbox
    }

    /// Lets a dialled address lead to the peer that answered there; returns what waited under it before.
    pub(crate) fn lead(&mut self, dialled: SocketAddr, outbox: &Arc<Outbox>) -> Option<Arc<Outbox>> {
        self.outboxes.insert(dialled, outbox.clone()).filter(|former| !Arc::ptr_eq(former, outbox))
    }

    /// Forgets the other addresses that led to a peer: who answers there next may be another.
    pub(crate) fn forget_leads(&mut self, outbox: &Arc<Outbox>) {
        self.outboxes.retain(|address, known| *address == outbox.address || !Arc::ptr_eq(known, outbox));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_seed_address_leads_to_its_peer_until_forgotten() {
        let mut roster = Roster::default();
        let now = Instant::now();
        let seed = roster.add(address(1), now);
        let peer = roster.add(address(2), now);
        assert!(Arc::ptr_eq(&roster.lead(address(1), &peer).unwrap(), &seed));
        assert!(roster.lead(address(2), &peer).is_none());
        assert!(Arc::ptr_eq(&roster.get(address(1)).unwrap(), &peer));
        roster.forget_leads(&peer);
        assert!(roster.get(address(1)).is_none());
        assert!(roster.get(address(2)).is_some());
    }

    #[test]
    fn unreachable_peers_are_forgotten_when_there_are_many() {
        let mut roster = Roster::default();
        let now = Instant::now();
        for port in 1..=1000 {
            let outbox = roster.add(address(port), now + std::time::Duration::from_secs(u64::from(port)));
            let mut peer = Peer::dialling();
            peer.handle_failure(now, now + std::time::Duration::from_secs(u64::from(port)));
            *outbox.peer() = peer;
        }
        assert!(roster.iter().count() <= PEERS_KEPT);
    }
}
