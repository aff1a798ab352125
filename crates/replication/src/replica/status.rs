//! What the node tells of itself and of the others: for people, for answers and for metrics.

use std::time::Duration;

use shoal_model::{NodeId, Profile};
use shoal_store::Hole;

use super::{Readiness, Replica};
use crate::fault::Fault;
use crate::member::{Member, Status};

/// One member, as this node sees it.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Its membership.
    pub member: Member,
    /// What it told of itself by gossip, if anything.
    pub profile: Option<Profile>,
    /// Whether it is ourselves or answers us.
    pub is_reachable: bool,
    /// Whether it is ourselves or gossip holds it for alive.
    pub is_alive: bool,
    /// Own frames that it does not hold yet.
    pub lag_frames: u64,
    /// Bytes of these frames.
    pub lag_bytes: u64,
    /// What was refused of it, and how often.
    pub faults: Vec<(Fault, u64)>,
    /// How long ago it was heard; `None` for never, zero for ourselves.
    pub silent_for: Option<Duration>,
}

/// What this node holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Points.
    pub points: u64,
    /// Streams.
    pub streams: u64,
    /// Series.
    pub series: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the blocks.
    pub block_bytes: u64,
    /// Records passed over since the start because their writer made them unreadable.
    pub unreadable_records: u64,
    /// Bytes whose checksums were verified in the background since the start.
    pub scrubbed_bytes: u64,
}

impl Replica {
    /// Every node that belongs or belonged, in order of id.
    pub fn member_statuses(&self, now: Duration) -> Vec<MemberStatus> {
        self.members.iter().map(|member| self.member_status(now, member)).collect()
    }

    fn member_status(&self, now: Duration, member: &Member) -> MemberStatus {
        let head = self.store.applied().get(self.config.origin);
        let is_self = member.node == self.config.node;
        let peer = self.peers.get(&member.node);
        let held = if is_self { head } else { peer.map_or(0, |peer| peer.held.min(head)) };
        let faults = self.faults.iter().filter(|(node, ..)| *node == member.node);
        MemberStatus {
            member: member.clone(),
            profile: peer.map(|peer| peer.profile.clone()),
            is_reachable: is_self || peer.is_some_and(|peer| peer.is_reachable(now)),
            is_alive: is_self || peer.is_some_and(|peer| peer.alive),
            lag_frames: head - held,
            lag_bytes: self.own_bytes.after(held),
            faults: faults.map(|(_, fault, count)| (fault, count)).collect(),
            silent_for: if is_self {
                Some(Duration::ZERO)
            } else {
                peer.and_then(|peer| peer.heard_at).map(|heard| now.saturating_sub(heard))
            },
        }
    }

    /// What this node holds.
    pub fn totals(&self) -> Totals {
        Totals {
            points: self.store.point_count(),
            streams: self.store.stream_count() as u64,
            series: self.store.series_count() as u64,
            journal_bytes: self.store.journal_bytes(),
            block_bytes: self.store.block_bytes(),
            unreadable_records: self.store.unreadable_records(),
            scrubbed_bytes: self.store.scrubbed_bytes(),
        }
    }

    /// Why an answer of this node may lack something, one sentence each.
    pub fn warnings(&self, now: Duration) -> Vec<String> {
        let mut warnings = Vec::new();
        for status in self.member_statuses(now) {
            let Member { name, node, status: standing, .. } = &status.member;
            match standing {
                Status::Joined if !status.is_reachable => {
                    warnings.push(format!(
                        "member {name} ({node}) is unreachable: its newest points may be missing"
                    ));
                }
                Status::Forgotten => {
                    warnings.push(format!(
                        "member {name} ({node}) was forgotten: points that only it held are lost"
                    ));
                }
                Status::Joined | Status::Left => {}
            }
        }
        for (id, hole) in self.store.holes().filter(|(_, hole)| hole.lacks_points()) {
            let reason = match hole {
                Hole::Rot | Hole::Unread(_) => "has rotted on disk",
                Hole::NoTable(_) => "lacks the table of its streams",
            };
            warnings.push(format!(
                "frame {} of origin {} {reason}: its points are missing here",
                id.seq, id.origin
            ));
        }
        if self.store.debt().is_some() {
            warnings.push(match &self.repair(now) {
                Some(repair) if repair.windows > 0 => format!(
                    "this node fetches what it missed from {}: {} of {} windows are compared; points may be missing here",
                    self.name_of(repair.lender),
                    repair.windows - repair.windows_left,
                    repair.windows
                ),
                _ => "this node missed frames that it must fetch from another: points may be missing here".to_owned(),
            });
        }
        let damage = self.store.damage();
        if let (Some(first), Some(last)) = (damage.iter().next(), damage.iter().last()) {
            warnings.push(format!(
                "{} parts of blocks are damaged on this node's disk: points from {} to {} ms may be missing here",
                damage.len(),
                first.millis().start(),
                last.millis().end()
            ));
        }
        warnings
    }

    fn name_of(&self, node: NodeId) -> String {
        self.members.of(node).map_or_else(|| node.to_string(), |member| member.name.clone())
    }

    /// Up to which ms of our clock all that the members held is here; `None` if a member has never told.
    pub fn complete_until(&self, now: Duration) -> Option<i64> {
        self.complete.until(self.other_members(), self.wall_ms(now))
    }

    /// What the node waits for, if it is not in service yet.
    pub fn not_in_service(&self, now: Duration) -> Option<String> {
        matches!(self.readiness, Readiness::Joining | Readiness::CatchingUp).then(|| self.waits_for(now))
    }

    /// Whether a member that counts is reachable.
    pub fn reaches(&self, now: Duration, node: NodeId) -> bool {
        node == self.config.node || self.peers.get(&node).is_some_and(|peer| peer.is_reachable(now))
    }
}
