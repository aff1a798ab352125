//! Reads while faults strike: how far a node calls itself complete, whether what was written is shown where it is
//! applied, and whether a counter that was read once reads less later.

use std::sync::LazyLock;
use std::time::Duration;

use rand::Rng;
use rand::seq::IteratorRandom;
use shoal_model::Matcher;

use super::{Event, World};
use crate::invariants::{Invariant, answers, memory, token};
use crate::life::Node;
use crate::workload::{ORDERS, REQUESTS};

static ORDERS_MATCHERS: LazyLock<Vec<Matcher>> = LazyLock::new(|| answers::matchers(ORDERS));
static REQUESTS_MATCHERS: LazyLock<Vec<Matcher>> = LazyLock::new(|| answers::matchers(REQUESTS));

/// The time between two reads of one reader, in ms.
const BETWEEN_MS: std::ops::Range<u64> = 800..5_000;
/// How many of the last promises a session may ask for.
const LAST_PROMISES: usize = 40;

impl World {
    pub(super) fn read(&mut self, reader: usize) {
        let open = |node: &usize| self.nodes[*node].door(self.now).is_some_and(|door| door.is_open);
        if let Some(node) = (0..self.nodes.len()).filter(open).choose(&mut self.rng) {
            self.figures.reads += 1;
            self.check_completeness(node);
            self.check_token(node);
            self.check_fall(reader, node);
            self.check_memory(node);
            self.check_equality(node);
        }
        let pause = Duration::from_millis(self.rng.random_range(BETWEEN_MS));
        self.schedule.push(self.now + pause, Event::Read { reader });
    }

    /// Nodes that tell the same hash have applied the same and read the same.
    fn check_equality(&mut self, node: usize) {
        let Some(store) = self.nodes[node].store() else { return };
        let hash = store.answer_hash();
        let twin = |other: &&Node| other.store().is_some_and(|store| store.answer_hash() == hash);
        let mut others =
            self.nodes.iter().enumerate().filter(|(place, _)| *place != node).map(|(_, one)| one);
        let Some((other, twin)) = others.find(twin).and_then(|one| Some((one, one.store()?))) else { return };
        let (here, there) = (store.view(), twin.view());
        let same_horizon = here.horizon_ms() == there.horizon_ms();
        // A read that lacks something for rot that nobody knew of names it.
        let newest = |view| answers::newest(view, &ORDERS_MATCHERS);
        let read = same_horizon.then(|| newest(&here).zip(newest(&there)));
        let result = match read.flatten() {
            _ if store.applied() != twin.applied() => Err(format!(
                "n{node} and {} tell the same hash and have applied different frames",
                other.name
            )),
            Some((here, there)) if here != there => Err(format!(
                "n{node} and {} have applied the same, and read {here:?} and {there:?}",
                other.name
            )),
            _ => Ok(()),
        };
        self.judge(Invariant::Answers, result);
    }

    fn check_memory(&mut self, node: usize) {
        let nodes = self.nodes.iter().map(|one| 1 + one.disks_lost as usize).sum();
        let (sessions, memtable_points) = (self.workload.session_count(), self.mix.memtable_points);
        let Some(life) = &self.nodes[node].life else { return };
        let sizes = memory::Sizes { sessions, nodes, memtable_points };
        let result = memory::check(&life.replica, self.now - life.began, sizes);
        self.judge(Invariant::Memory, result.map_err(|what| format!("n{node}: {what}")));
    }

    fn check_completeness(&mut self, node: usize) {
        let Some(life) = &self.nodes[node].life else { return };
        let Some(until_ms) = life.replica.complete_until(self.now - life.began) else { return };
        let Ok(since_ms) = u64::try_from(until_ms - life.began_ms) else { return };
        let others = life.replica.members().joined().map(|member| member.node);
        let members: Vec<_> = others.filter(|other| *other != life.identity.node).collect();
        let until = life.began + Duration::from_millis(since_ms);
        let result = self.diary.check(until, self.kept_from(), &members, &life.replica.store().have());
        self.figures.complete += 1;
        self.judge(Invariant::Complete, result.map_err(|what| format!("n{node} says {what}")));
    }

    /// What was written before this may be below the horizon of some clock.
    pub(super) fn kept_from(&self) -> Duration {
        self.now.saturating_sub(self.mix.retention / self.mix.lapse * 4 / 5)
    }

    /// A session reads with the token of a write, on whatever node has it by now.
    fn check_token(&mut self, node: usize) {
        let promises = self.oracle.promises();
        let last = promises.len().saturating_sub(LAST_PROMISES)..promises.len();
        let Some(promise) = last.choose(&mut self.rng).map(|index| &promises[index]) else { return };
        // Its only copy went with a disk, and its frame may have been given up since.
        if promise.is_void || self.given_up.contains(&promise.frame) {
            return;
        }
        // An answer that lacks a frame says so.
        let Some(store) = self.nodes[node].whole_store() else { return };
        if store.applied().get(promise.frame.origin) >= promise.frame.seq {
            let result = token::check(store, promise).map_err(|what| format!("n{node}: {what}"));
            self.figures.tokens += 1;
            self.judge(Invariant::Token, result);
        }
    }

    /// Somebody reads the merged counter, if the node has synced all that it shows.
    fn check_fall(&mut self, reader: usize, node: usize) {
        let Some(store) = self.nodes[node].whole_store() else { return };
        if store.held() != *store.applied() {
            return;
        }
        let Some(point) = answers::newest(&store.view(), &REQUESTS_MATCHERS) else { return };
        let applied = store.applied().clone();
        let result = self.readers[reader].read(&self.nodes[node].name, &applied, point.value);
        self.judge(Invariant::Monotone, result);
    }
}
