//! Machines that come and go: new ones join, some leave on purpose, some are given up while they are down.

use std::time::Duration;

use super::{Event, World};
use crate::invariants::backlog::Backlog;
use crate::life::Node;

/// Nodes that may come besides those of the beginning.
const NEWCOMERS_MAX: usize = 3;
/// How long a machine is down before it is given up.
const DOWN: Duration = Duration::from_millis(1_500);

impl World {
    pub(super) fn join(&mut self) -> bool {
        let node = self.nodes.len();
        if node >= self.mix.nodes + NEWCOMERS_MAX {
            return false;
        }
        self.nodes.push(Node::new(node));
        self.backlogs.push(Backlog::default());
        self.schedule.push(self.now, Event::Start { node });
        true
    }

    /// A node is told to leave; what it holds of others' writes leaves with it, so it counts as the loss of a disk,
    /// but nothing that only it held is excused.
    pub(super) fn leave(&mut self, node: usize) -> bool {
        let staying = self.nodes.iter().filter(|one| !one.is_gone && !one.is_leaving).count();
        if staying < 3 || !self.may_lose_the_disk_of(node) {
            return false;
        }
        let now = self.now;
        let Node { life, name, .. } = &mut self.nodes[node];
        let Some(life) = life else { return false };
        // Whoever ran here before stays a member until this node has taken its place, or until it is forgotten.
        let namesakes = life.replica.members().joined().filter(|it| it.name == *name).count();
        let is_ready = namesakes == 1 && life.replica.not_in_service(now - life.began).is_none();
        if !is_ready {
            return false;
        }
        // Where it cannot be written down the node leaves all the same, and writes it when it is handed over.
        let _ = life.replica.leave(now - life.began);
        self.nodes[node].is_leaving = true;
        self.disk_losses.lose(node, self.now);
        self.carry_out(node);
        true
    }

    /// A node that leaves goes once what it wrote is on another member.
    pub(super) fn go_if_handed_over(&mut self, node: usize) {
        if !self.nodes[node].is_leaving {
            return;
        }
        let others: Vec<_> =
            self.nodes.iter().filter_map(|one| Some(one.life.as_ref()?.identity.node)).collect();
        let Some(life) = &self.nodes[node].life else { return };
        let now = self.now - life.began;
        let has_company =
            others.iter().any(|other| *other != life.identity.node && life.replica.reaches(now, *other));
        if has_company && life.replica.is_handed_over(now) {
            let name = self.nodes[node].name.clone();
            self.trace.tell(self.now, &format!("{name} has handed over and goes"));
            self.stop(node, Duration::ZERO);
            self.nodes[node].is_gone = true;
        }
    }

    /// A machine goes down; it is given up, and comes back later.
    pub(super) fn forget(&mut self, node: usize, absence: Duration) -> bool {
        if !self.stop(node, DOWN + Duration::from_millis(500) + absence) {
            return false;
        }
        self.schedule.push(self.now + DOWN, Event::GiveUp { node });
        true
    }

    /// Another node gives up the one at a place, if that is still down.
    pub(super) fn give_up(&mut self, node: usize) {
        if self.nodes[node].life.is_some() || self.is_calm {
            return;
        }
        let name = self.nodes[node].name.clone();
        let ready = self.nodes.iter().position(|one| one.door(self.now).is_some_and(|door| door.is_open));
        let Some(by) = ready else { return };
        let now = self.now;
        let Some(life) = &mut self.nodes[by].life else { return };
        if let Ok(member) = life.replica.forget(now - life.began, &name) {
            self.trace.tell(now, &format!("n{by} gives up {name}, {}", member.node));
        }
        self.carry_out(by);
    }
}
