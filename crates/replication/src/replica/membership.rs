//! Joining and forgetting, and when the node is in service. A newcomer serves once another node holds
//! the frame by which it joined; a member that came back serves once it has compared itself with the members
//! that it reaches, or alone after a while.

use std::time::Duration;

use bytes::Bytes;
use shoal_model::{NodeId, View};
use shoal_store::StoreError;
use thiserror::Error;

use super::{Event, Readiness, Replica};
use crate::limits::{CATCH_UP, NAMESAKE_WAIT};
use crate::member::{Member, Status};
use crate::peer::Peer;

/// Why a node was not forgotten.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No member has that id or name.
    #[error("no member is called {0:?}")]
    Unknown(String),
    /// Several members have that name.
    #[error("several members are called {0:?}: give the node id")]
    Ambiguous(String),
    /// It is reachable: stop it first.
    #[error("member {0:?} is reachable: stop it first")]
    Reachable(String),
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replica {
    /// Gives a member up, by node id or by name.
    pub fn forget(&mut self, now: Duration, target: &str) -> Result<Member, ForgetError> {
        let named = |member: &&Member| member.node.to_string() == target || member.name == target;
        let found: Vec<_> = self.members.joined().filter(named).cloned().collect();
        let member = match found.as_slice() {
            [] => return Err(ForgetError::Unknown(target.to_owned())),
            [member] => member.clone(),
            _ => return Err(ForgetError::Ambiguous(target.to_owned())),
        };
        let is_reachable = self.peers.get(&member.node).is_some_and(|peer| peer.is_reachable(now));
        if is_reachable || member.node == self.config.node {
            return Err(ForgetError::Reachable(target.to_owned()));
        }
        self.append_member(&member.forgotten(self.clock_ms))?;
        self.push_all(now);
        Ok(member)
    }

    pub(super) fn note_view(&mut self, now: Duration, view: &View) {
        for (node, sighting) in &view.nodes {
            let profile = &sighting.profile;
            if *node == self.config.node {
                let life = (self.config.incarnation, self.config.origin);
                if (profile.incarnation, profile.origin) > life {
                    self.events.push_back(Event::Superseded);
                }
                continue;
            }
            match self.peers.get_mut(node) {
                Some(peer) => {
                    peer.profile = profile.clone();
                    peer.alive = sighting.alive;
                }
                None => {
                    self.peers.insert(*node, Peer::new(profile.clone(), sighting.alive));
                    self.send_beat(now, *node);
                }
            }
        }
        self.peers.retain(|node, peer| view.nodes.contains_key(node) || peer.is_reachable(now));
    }

    pub(super) fn first_readiness(&self) -> Readiness {
        let had_company = self.members.iter().any(|member| member.node != self.config.node);
        match (had_company, self.config.join.is_empty()) {
            (true, _) => Readiness::CatchingUp,
            (false, false) => Readiness::Joining,
            (false, true) => Readiness::Ready,
        }
    }

    pub(super) fn write_join(&mut self, round: u32) -> Result<(), StoreError> {
        self.append_member(&Member {
            incarnation: self.config.incarnation,
            round,
            status: Status::Joined,
            node: self.config.node,
            origin: self.config.origin,
            name: self.config.name.clone(),
            zone: self.config.zone.clone(),
            at_ms: self.config.began_ms,
        })
    }

    pub(super) fn take_member(&mut self, member: Member) {
        if !self.members.join(member.clone()) {
            return;
        }
        self.keep_members();
        let gave_us_up = member.node == self.config.node
            && member.status == Status::Forgotten
            && member.incarnation == self.config.incarnation;
        self.events.push_back(Event::Changed(member.clone()));
        if gave_us_up && let Err(error) = self.write_join(member.round + 1) {
            tracing::error!(%error, "this node was forgotten and cannot join again");
        }
    }

    /// The store hands the members back at the next start.
    pub(super) fn keep_members(&mut self) {
        let bodies = self.members.notices().map(|notice| Bytes::from(notice.encode()));
        self.store.keep_members(bodies.collect());
    }

    /// Goes into service when what it waits for has come.
    pub(super) fn consider_readiness(&mut self, now: Duration) {
        if matches!(self.readiness, Readiness::Ready | Readiness::Leaving) {
            return;
        }
        let reachable = || self.peers.iter().filter(|(_, peer)| peer.is_reachable(now));
        let members = || reachable().filter(|(node, _)| self.members.counts(**node)).map(|(_, peer)| peer);
        let alone = members().next().is_none();
        let is_ready = match self.readiness {
            Readiness::Joining => {
                let is_admitted = reachable().any(|(_, peer)| peer.holds(1));
                is_admitted && reachable().any(|(_, peer)| peer.compared)
            }
            Readiness::CatchingUp => {
                let is_late = now >= CATCH_UP && (alone || members().any(|peer| peer.compared));
                is_late || !alone && members().all(|peer| peer.compared)
            }
            Readiness::Ready | Readiness::Leaving => false,
        };
        // What is missing is fetched first, if there is anybody to fetch it from.
        let is_whole = self.store.debt().is_none() && !self.has_gap() || reachable().next().is_none();
        if is_ready && is_whole {
            self.readiness = Readiness::Ready;
            self.events.push_back(Event::Ready { alone });
        }
    }

    /// A node under the name of an unreachable member takes its place: that member's directory was wiped.
    pub(super) fn replace_namesake(&mut self, now: Duration) {
        let knows_members = self.readiness == Readiness::Ready || self.store.debt().is_some();
        if !knows_members || now < NAMESAKE_WAIT {
            return;
        }
        let is_gone =
            |node: NodeId| self.peers.get(&node).is_none_or(|peer| !peer.alive && !peer.is_reachable(now));
        let namesake = self.members.joined().find(|member| {
            member.node != self.config.node && member.name == self.config.name && is_gone(member.node)
        });
        let Some(member) = namesake.cloned() else { return };
        match self.append_member(&member.forgotten(self.clock_ms)) {
            Ok(()) => self.events.push_back(Event::Replaced(member)),
            Err(error) => tracing::warn!(%error, "the place of an unreachable member could not be taken"),
        }
        self.push_all(now);
    }

    /// What the node waits for before it serves, in words.
    pub(super) fn waits_for(&self, now: Duration) -> String {
        match self.readiness {
            Readiness::Joining => format!("an answer of {}", self.config.join.join(", ")),
            Readiness::CatchingUp => {
                let missing = self.members.joined().filter(|member| {
                    let peer = self.peers.get(&member.node);
                    member.node != self.config.node
                        && !peer.is_some_and(|peer| peer.is_reachable(now) && peer.compared)
                });
                format!(
                    "what it missed from {}",
                    missing.map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
                )
            }
            Readiness::Leaving => "its own end, since it is shutting down".to_owned(),
            Readiness::Ready => "nothing".to_owned(),
        }
    }
}
