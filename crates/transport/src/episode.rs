//! Which trouble was already told of: a peer that fails again and again is logged once an episode.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Trouble that stays away for so long begins a new episode when it returns.
const QUIET: Duration = Duration::from_secs(60);
/// Troubles remembered: whoever makes more than this many at once need not have each logged.
const TROUBLES_MAX: usize = 256;

/// The troubles of late, by address.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    troubles: BTreeMap<SocketAddr, (String, Instant)>,
}

impl Episodes {
    /// Takes note of trouble, and returns whether it begins an episode and is to be logged.
    pub(crate) fn begins(&mut self, address: SocketAddr, trouble: &str, now: Instant) -> bool {
        if let Some((known, last)) = self.troubles.get_mut(&address) {
            let continues = known == trouble && now < *last + QUIET;
            *last = now;
            if !continues {
                trouble.clone_into(known);
            }
            return !continues;
        }
        self.troubles.retain(|_, (_, last)| now < *last + QUIET);
        if self.troubles.len() >= TROUBLES_MAX {
            return false;
        }
        self.troubles.insert(address, (trouble.to_owned(), now));
        true
    }

    /// The address is well again.
    pub(crate) fn end(&mut self, address: SocketAddr) {
        self.troubles.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_told_once() {
        let mut episodes = Episodes::default();
        let now = Instant::now();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert!(episodes.begins(address(1), "refused", now));
        assert!(!episodes.begins(address(1), "refused", now + QUIET / 2));
        assert!(!episodes.begins(address(1), "refused", now + QUIET), "it never stayed away");
        assert!(episodes.begins(address(1), "lost", now + QUIET), "another trouble");
        assert!(episodes.begins(address(2), "lost", now + QUIET), "another address");
        episodes.end(address(1));
        assert!(episodes.begins(address(1), "lost", now + QUIET), "it was well in between");
    }

    #[test]
    fn memory_of_troubles_is_bounded() {
        let mut episodes = Episodes::default();
        let now = Instant::now();
        for port in 1..=1000 {
            episodes.begins(SocketAddr::from(([127, 0, 0, 1], port)), "refused", now);
        }
        assert_eq!(episodes.troubles.len(), TROUBLES_MAX);
    }
}
