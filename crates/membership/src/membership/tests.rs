//! Whole memberships over a link in memory, in paused time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chitchat::{ChitchatId, spawn_chitchat};
use shoal_model::{Incarnation, NodeId, Origin, Phase, Profile, View};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Membership, MembershipConfig, SpawnError, chitchat_config};
use crate::link::{GossipLink, LinkTransport};
use crate::profile::key_values;

/// Carries messages between nodes of one process; those of a stalled node wait until it goes on.
#[derive(Clone, Default)]
struct Net(Arc<Mutex<Roads>>);

#[derive(Default)]
struct Roads {
    inboxes: BTreeMap<SocketAddr, mpsc::Sender<(SocketAddr, Bytes)>>,
    stalled: BTreeSet<SocketAddr>,
    held: Vec<(SocketAddr, SocketAddr, Bytes)>,
}

#[derive(Clone)]
struct NetLink {
    net: Net,
    from: SocketAddr,
}

impl GossipLink for NetLink {
    fn send(&self, to: SocketAddr, message: Bytes) {
        self.net.carry(self.from, to, message);
    }
}

impl Net {
    fn carry(&self, from: SocketAddr, to: SocketAddr, message: Bytes) {
        let mut roads = self.0.lock().unwrap();
        if roads.stalled.contains(&from) || roads.stalled.contains(&to) {
            roads.held.push((from, to, message));
        } else if let Some(inbox) = roads.inboxes.get(&to) {
            let _ = inbox.try_send((from, message));
        }
    }

    fn open(&self, address: SocketAddr) -> (NetLink, mpsc::Receiver<(SocketAddr, Bytes)>) {
        let (sender, incoming) = mpsc::channel(1024);
        self.0.lock().unwrap().inboxes.insert(address, sender);
        (NetLink { net: self.clone(), from: address }, incoming)
    }

    fn stall(&self, address: SocketAddr) {
        self.0.lock().unwrap().stalled.insert(address);
    }

    fn go_on(&self, address: SocketAddr) {
        self.0.lock().unwrap().stalled.remove(&address);
        let held = std::mem::take(&mut self.0.lock().unwrap().held);
        held.into_iter().for_each(|(from, to, message)| self.carry(from, to, message));
    }

    fn close(&self, address: SocketAddr) {
        self.0.lock().unwrap().inboxes.remove(&address);
    }

    async fn spawn(&self, profile: Profile) -> Membership {
        let (link, incoming) = self.open(profile.peer);
        Membership::spawn(config(), profile, link, incoming).await.unwrap()
    }

    /// Three nodes that know each other.
    async fn spawn_three(&self) -> Vec<Membership> {
        let mut nodes = Vec::new();
        for number in 1..=3 {
            nodes.push(self.spawn(profile(number, 1)).await);
        }
        for node in &nodes {
            within(5, node, "all are alive", |view| alive(view) == [1, 2, 3]).await;
        }
        nodes
    }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7400 + u16::from(number)))
}

/// All know the first node only.
fn config() -> MembershipConfig {
    MembershipConfig::new("shoal".to_owned(), vec![address(1).to_string()])
}

fn profile(number: u8, life: u8) -> Profile {
    Profile {
        node: NodeId([number; 16]),
        incarnation: Incarnation(u64::from(life)),
        origin: Origin([life; 16]),
        name: format!("node {number}"),
        zone: String::new(),
        version: "0.1.0".to_owned(),
        client: SocketAddr::from(([127, 0, 0, 1], 8400)),
        peer: address(number),
        phase: Phase::Joining,
    }
}

/// The numbers of the nodes that a view holds for alive.
fn alive(view: &View) -> Vec<u8> {
    view.nodes.values().filter(|seen| seen.alive).map(|seen| seen.profile.node.0[0]).collect()
}

fn phase_of(view: &View, number: u8) -> Option<Phase> {
    view.nodes.get(&NodeId([number; 16])).map(|seen| seen.profile.phase)
}

async fn within(seconds: u64, node: &Membership, what: &str, condition: impl Fn(&View) -> bool) {
    let mut views = node.views();
    let waited = timeout(Duration::from_secs(seconds), views.wait_for(|view| condition(view))).await.is_ok();
    if !waited {
        panic!("not within {seconds} s: {what}; the view is {:#?}", views.borrow());
    }
}

/// Lets time pass, in which no view of a node may be another.
async fn stays(seconds: u64, node: &Membership, what: &str, condition: impl Fn(&View) -> bool) {
    let mut views = node.views();
    let changed =
        timeout(Duration::from_secs(seconds), views.wait_for(|view| !condition(view))).await.is_ok();
    if changed {
        panic!("no more within {seconds} s: {what}; the view is {:#?}", views.borrow());
    }
}

#[tokio::test(start_paused = true)]
async fn all_see_all_with_all_that_they_tell() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    for node in &nodes {
        let view = node.views().borrow().clone();
        let profiles: Vec<_> = view.nodes.values().map(|seen| seen.profile.clone()).collect();
        assert_eq!(profiles, [1, 2, 3].map(|number| profile(number, 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_sees_itself_at_once() {
    let node = Net::default().spawn(profile(1, 1)).await;
    assert_eq!(alive(&node.views().borrow()), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_is_seen_dead_by_all_within_three_seconds() {
    for lived_seconds in [0, 60, 600] {
        let net = Net::default();
        let mut nodes = net.spawn_three().await;
        stays(lived_seconds, &nodes[0], "all are alive", |view| alive(view) == [1, 2, 3]).await;
        drop(nodes.pop());
        net.close(address(3));
        let killed = Instant::now();
        for node in &nodes {
            within(3, node, "the killed node is dead", |view| alive(view) == [1, 2]).await;
            assert!(killed.elapsed() < Duration::from_secs(3));
            assert_eq!(node.views().borrow().nodes.len(), 3, "it is still known");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_node_shows_once_with_its_newer_life() {
    let net = Net::default();
    let mut nodes = net.spawn_three().await;
    drop(nodes.pop());
    let reborn = net.spawn(profile(3, 2)).await;
    let is_newer = |view: &View| {
        let seen = view.nodes.get(&NodeId([3; 16]));
        seen.is_some_and(|seen| seen.alive && seen.profile == profile(3, 2)) && view.nodes.len() == 3
    };
    for node in nodes.iter().chain([&reborn]) {
        within(3, node, "the newer life is alive", is_newer).await;
    }
    for node in nodes.iter().chain([&reborn]) {
        stays(60, node, "the newer life is alive", is_newer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_node_comes_back_by_itself() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    stays(30, &nodes[0], "all are alive", |view| alive(view) == [1, 2, 3]).await;
    net.stall(address(3));
    within(4, &nodes[0], "the stalled node is doubted", |view| alive(view) == [1, 2]).await;
    stays(2, &nodes[0], "the stalled node is doubted", |view| alive(view) == [1, 2]).await;
    net.go_on(address(3));
    for node in &nodes {
        within(3, node, "all are alive again", |view| alive(view) == [1, 2, 3]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn phases_are_seen_by_all() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    nodes[1].set_phase(Phase::Ready).await;
    assert_eq!(phase_of(&nodes[1].views().borrow(), 2), Some(Phase::Ready));
    for node in &nodes {
        within(2, node, "the second is ready", |view| phase_of(view, 2) == Some(Phase::Ready)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_is_known_to_all_before_the_node_is_gone() {
    let net = Net::default();
    let mut nodes = net.spawn_three().await;
    let leaver = nodes.pop().unwrap();
    let began = Instant::now();
    leaver.shutdown().await;
    assert!(began.elapsed() <= Duration::from_secs(1));
    net.close(address(3));
    for node in &nodes {
        within(1, node, "the third leaves", |view| phase_of(view, 3) == Some(Phase::Leaving)).await;
        within(3, node, "the third is gone", |view| alive(view) == [1, 2]).await;
        assert_eq!(phase_of(&node.views().borrow(), 3), Some(Phase::Leaving));
    }
    assert!(timeout(Duration::from_secs(60), leaver.failed()).await.is_err(), "leaving is no failure");
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_forgotten_after_a_quarter_of_an_hour() {
    let net = Net::default();
    let mut nodes = net.spawn_three().await;
    drop(nodes.pop());
    net.close(address(3));
    for node in &nodes {
        within(16 * 60, node, "the dead node is forgotten", |view| view.nodes.len() == 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_ignored() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    for length in 0..300_usize {
        let garbage: Vec<u8> = (0..length).map(|place| (place * length * 31) as u8).collect();
        net.carry(address(9), address(1), garbage.into());
        net.carry(address(9), address(1), [&[0x53, 0xb0, 0][..], &[length as u8]].concat().into());
    }
    for node in &nodes {
        stays(10, node, "all are alive", |view| alive(view) == [1, 2, 3]).await;
        assert!(timeout(Duration::from_millis(1), node.failed()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn who_gossips_what_cannot_be_read_is_left_out() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    let mut handles = Vec::new();
    let strangers: [(u8, &str, Option<&str>); 3] =
        [(4, "phase", Some("sleeping")), (5, "client", None), (6, "origin", Some("zz"))];
    for (number, key, value) in strangers {
        let (link, incoming) = net.open(address(number));
        let profile = profile(number, 1);
        let mut pairs = key_values(&profile);
        pairs.retain(|(known, _)| known != key);
        pairs.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        let transport = LinkTransport::new(link, incoming);
        handles.push(spawn_chitchat(chitchat_config(config(), &profile), pairs, &transport).await.unwrap());
    }
    let (link, incoming) = net.open(address(7));
    let mut unnamed = chitchat_config(config(), &profile(7, 1));
    unnamed.chitchat_id = ChitchatId::new("seven", 1, address(7));
    let transport = LinkTransport::new(link, incoming);
    handles.push(spawn_chitchat(unnamed, key_values(&profile(7, 1)), &transport).await.unwrap());
    let (link, incoming) = net.open(address(8));
    let mut pairs = key_values(&profile(8, 1));
    pairs.push(("weather".to_owned(), "fine".to_owned()));
    let transport = LinkTransport::new(link, incoming);
    handles.push(spawn_chitchat(chitchat_config(config(), &profile(8, 1)), pairs, &transport).await.unwrap());
    for node in &nodes {
        within(5, node, "an unknown key is no harm", |view| alive(view) == [1, 2, 3, 8]).await;
    }
    for node in &nodes {
        stays(10, node, "nobody else is known", |view| view.nodes.len() == 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_cluster_stays_apart() {
    let net = Net::default();
    let nodes = net.spawn_three().await;
    let (link, incoming) = net.open(address(4));
    let other = MembershipConfig { cluster: "reef".to_owned(), ..config() };
    let stranger = Membership::spawn(other, profile(4, 1), link, incoming).await.unwrap();
    stays(10, &stranger, "the other cluster is alone", |view| alive(view) == [4]).await;
    stays(10, &nodes[0], "this one too", |view| alive(view) == [1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn gossip_that_dies_is_told_of() {
    let net = Net::default();
    let node = net.spawn(profile(1, 1)).await;
    net.close(address(1));
    let failed = timeout(Duration::from_secs(1), node.failed()).await.expect("the link is gone");
    assert!(failed.to_string().contains("has stopped"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn what_would_block_gossip_is_refused() {
    let spawn = async |config, profile: Profile| {
        let (link, incoming) = Net::default().open(profile.peer);
        Membership::spawn(config, profile, link, incoming).await.map(drop)
    };
    let wordy = Profile { zone: "z".repeat(2000), ..profile(1, 1) };
    assert!(matches!(spawn(config(), wordy).await, Err(SpawnError::TooLong { what: "zone" })));
    let restless = MembershipConfig { gossip_interval: Duration::ZERO, ..config() };
    assert!(matches!(spawn(restless, profile(1, 1)).await, Err(SpawnError::Interval)));
}
