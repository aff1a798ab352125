//! `shoal forget`: stops counting a node as a member.

use shoal_client::{Member, MemberState};
use shoal_model::NodeId;

use super::{CommandError, Target};

/// What is typed after `shoal forget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// The node: its name, its id, or the beginning of its id
    forgotten: String,

    #[command(flatten)]
    target: Target,
}

/// Digits of an id that are enough to name it; fewer could be a slip of the finger.
const PREFIX_MIN: usize = 4;

impl Forget {
    pub(crate) async fn run(&self) -> Result<String, CommandError> {
        let client = self.target.client()?;
        let node = match self.forgotten.parse() {
            Ok(node) => node,
            Err(_) => find(&client.members().await?.members, &self.forgotten)?,
        };
        client.forget(node).await?;
        Ok(format!("forgot {node}\n"))
    }
}

/// The one member that is meant. A name may have passed from node to node; then the one that still counts.
fn find(members: &[Member], name: &str) -> Result<NodeId, CommandError> {
    let prefix = name.to_ascii_lowercase();
    let fits = |member: &&Member| {
        member.name == name || (name.len() >= PREFIX_MIN && member.node.to_string().starts_with(&prefix))
    };
    let mut found: Vec<&Member> = members.iter().filter(fits).collect();
    if found.iter().any(|member| member.state == MemberState::Joined) {
        found.retain(|member| member.state == MemberState::Joined);
    }
    match found.as_slice() {
        [] => Err(CommandError::NoSuchNode(name.to_owned())),
        [member] => Ok(member.node),
        several => {
            let ids: Vec<String> = several.iter().map(|member| member.node.to_string()).collect();
            Err(CommandError::Ambiguous { name: name.to_owned(), ids: ids.join(", ") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::Incarnation;

    fn member(id: u8, name: &str, state: MemberState) -> Member {
        Member {
            node: NodeId([id; 16]),
            name: name.to_owned(),
            zone: String::new(),
            version: String::new(),
            client_address: String::new(),
            peer_address: String::new(),
            state,
            reachable: false,
            phase: String::new(),
            incarnation: Incarnation(1),
            origin: None,
            lag_frames: 0,
            lag_bytes: 0,
            faults: vec![],
            last_seen_ms: 0,
        }
    }

    #[test]
    fn a_node_is_found_by_name_or_by_the_beginning_of_its_id() {
        let members = [
            member(0xa1, "one", MemberState::Joined),
            member(0xa2, "two", MemberState::Forgotten),
            member(0xa3, "two", MemberState::Joined),
            member(0xa4, "six", MemberState::Joined),
            member(0xa5, "six", MemberState::Joined),
        ];
        let check =
            |name: &str, id: u8| assert_eq!(find(&members, name).unwrap(), NodeId([id; 16]), "{name}");
        check("one", 0xa1);
        check("A1A1", 0xa1);
        check("a2a2", 0xa2);
        check("two", 0xa3);
        for (name, part) in [("a1", "no node"), ("seven", "no node"), ("", "no node"), ("six", "a4a4")] {
            let error = find(&members, name).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
