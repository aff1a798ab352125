//! After the faults end all nodes are in service, know the same members, have synced all that they applied, and
//! hold the same points.

use shoal_replication::{Readiness, Replica};

use crate::life::{self, Node};

/// What the nodes do not agree on yet.
pub fn check(nodes: &[Node]) -> Result<(), String> {
    let mut first = None;
    for node in nodes {
        let Some(life) = &node.life else { return Err(format!("{} is down", node.name)) };
        let (replica, store) = (&life.replica, life.replica.store());
        if replica.readiness() != Readiness::Ready {
            return Err(format!("{} is {:?}", node.name, replica.readiness()));
        }
        if store.held() != *store.applied() {
            return Err(format!("{} has not synced all that it applied", node.name));
        }
        let members = replica.members().joined().count();
        if !nodes.iter().all(|other| is_member(replica, other)) || members > nodes.len() {
            return Err(format!("{} counts {members} members; there are {}", node.name, nodes.len()));
        }
        let answer = (store.answer_hash(), life::digest(store), replica.members());
        match first {
            None => first = Some((node, answer)),
            Some((other, known)) if known != answer => {
                return Err(format!("{} and {} differ", other.name, node.name));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn is_member(replica: &Replica, node: &Node) -> bool {
    node.life.as_ref().is_some_and(|life| replica.members().counts(life.identity.node))
}
