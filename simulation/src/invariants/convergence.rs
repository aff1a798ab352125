//! After the faults end all nodes are in service, know the same members, have synced all that they applied, and
//! hold the same points.

use shoal_replication::{Member, Readiness, Replica};

use crate::life::Node;

/// What the nodes do not agree on yet.
pub fn check(nodes: &[Node]) -> Result<(), String> {
    let staying = || nodes.iter().filter(|node| !node.is_gone);
    for node in staying() {
        is_well(node, &staying().collect::<Vec<_>>())?;
    }
    let mut first = None;
    for node in staying() {
        let Some(replica) = replica(node) else { continue };
        let store = replica.store();
        let (hash, members) = (store.answer_hash(), replica.members());
        match first {
            None => first = Some((node, hash, members)),
            Some((other, known, _)) if known != hash => {
                return Err(format!("{} and {} have applied different frames", other.name, node.name));
            }
            Some((other, _, known)) if known != members => {
                let (theirs, ours) =
                    (known.records().collect::<Vec<_>>(), members.records().collect::<Vec<_>>());
                let only = |of: &[Member], not: &[Member]| {
                    of.iter().filter(|record| !not.contains(record)).cloned().collect::<Vec<_>>()
                };
                return Err(format!(
                    "{} and {} know different members: {:?} against {:?}",
                    other.name,
                    node.name,
                    only(&theirs, &ours),
                    only(&ours, &theirs)
                ));
            }
            Some(_) => {}
        }
    }
    // Digests read all that is not sealed: only once the frontiers are equal.
    let digest =
        |node: &Node| node.store().map(|store| store.digest().map_err(|damaged| damaged.to_string()));
    let mut digests = staying().map(|node| (node, digest(node)));
    let Some((one, expected)) = digests.next() else { return Ok(()) };
    match digests.find(|(_, digest)| *digest != expected) {
        None => Ok(()),
        Some((other, _)) => Err(format!("{} and {} hold different points", one.name, other.name)),
    }
}

/// How a node stands, for people who look for what keeps it from agreeing.
pub fn describe(node: &Node) -> String {
    let Some(life) = &node.life else { return format!("{} is down", node.name) };
    let (replica, store) = (&life.replica, life.replica.store());
    format!(
        "{} is {:?}, has applied {} frames and synced {}, {} holes, in debt: {}, failed: {:?}, syncs: {}, damage: {}",
        node.name,
        replica.readiness(),
        store.applied().iter().map(|(_, seq)| seq).sum::<u64>(),
        store.held().iter().map(|(_, seq)| seq).sum::<u64>(),
        store.holes().count(),
        store.debt().is_some(),
        store.failure(),
        life.sync.is_some(),
        store.damage().len(),
    )
}

/// Whether a node is in service, knows the others, and has synced what it shows.
fn is_well(node: &Node, others: &[&Node]) -> Result<(), String> {
    let Some(replica) = replica(node) else { return Err(format!("{} is down", node.name)) };
    if replica.readiness() != Readiness::Ready {
        return Err(format!("{} is {:?}", node.name, replica.readiness()));
    }
    let store = replica.store();
    if let Some((id, hole)) = store.holes().next() {
        return Err(format!("{} lacks frame {} of origin {}: {hole:?}", node.name, id.seq, id.origin));
    }
    if let Some(damage) = store.damage().iter().next() {
        return Err(format!("{} is damaged: {damage}", node.name));
    }
    if let Some(rot) = &node.hidden_rot {
        return Err(format!("{} has not found the rot in {}", node.name, rot.path));
    }
    if let Some(debt) = store.debt() {
        return Err(format!("{} is in debt up to {:?}", node.name, debt.frontier));
    }
    if store.held() != *store.applied() {
        return Err(format!("{} has not synced all that it applied", node.name));
    }
    let joined = || replica.members().joined();
    let members = joined().count();
    let counts =
        |other: &&Node| other.life.as_ref().is_some_and(|life| replica.members().counts(life.identity.node));
    if members != others.len() || !others.iter().all(counts) {
        let names: Vec<_> = joined().map(|it| format!("{} in life {}", it.node, it.incarnation.0)).collect();
        let names = names.join(", ");
        return Err(format!("{} counts {members} members; there are {}: {names}", node.name, others.len()));
    }
    Ok(())
}

fn replica(node: &Node) -> Option<&Replica> {
    node.life.as_ref().map(|life| &life.replica)
}
