//! Names of seeds while nobody is heard of. chitchat resolves them at start and then once a minute; nodes
//! that start together before their names exist would all wait that minute for one another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;

/// How often names are asked for while a node is alone.
const ASK: Duration = Duration::from_secs(3);

/// Gossips with the addresses behind the names whenever no other node is alive; runs until it is ended.
pub(crate) async fn resolve_while_alone(handle: Arc<ChitchatHandle>, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    let chitchat = handle.chitchat();
    loop {
        tokio::time::sleep(ASK).await;
        let alone = chitchat.lock().await.live_nodes().count() <= 1;
        for name in names.iter().filter(|_| alone) {
            let Ok(addresses) = tokio::net::lookup_host(name).await else { continue };
            for address in addresses {
                tracing::debug!(%name, %address, "gossiping with a seed");
                // An error means that gossip has ended, and `failed` tells of that.
                let _ = handle.gossip(address);
            }
        }
    }
}

/// The seeds that are names and not addresses.
pub(crate) fn names(seeds: &[String]) -> Vec<String> {
    seeds.iter().filter(|seed| seed.parse::<SocketAddr>().is_err()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_names() {
        let seeds = ["127.0.0.1:7401", "shoal-0:7401", "[::1]:7401", "localhost:1"].map(str::to_owned);
        assert_eq!(names(&seeds), ["shoal-0:7401", "localhost:1"]);
    }
}
