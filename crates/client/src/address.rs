//! Where a node answers clients.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tonic::codegen::http::uri::Authority;

/// `host:port` of a node's client door; a host name is resolved at each connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

/// A text that is no address of a node. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the address of a node: HOST:PORT or http://HOST:PORT")]
pub struct AddressError(pub String);

impl Address {
    /// The address as a URI.
    pub fn uri(&self) -> String {
        format!("http://{}", self.0)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let bare = text.strip_prefix("http://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let authority: Authority = bare.parse().map_err(|_| bad())?;
        let no_user = !bare.contains('@');
        if authority.port_u16().is_some() && !authority.host().is_empty() && no_user {
            Ok(Self(bare.into()))
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_name_one_node() {
        for text in ["node-1:7400", "http://node-1:7400", "http://node-1:7400/"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), "node-1:7400");
        }
        assert_eq!("[::1]:7400".parse::<Address>().unwrap().uri(), "http://[::1]:7400");
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in ["", "node", ":7400", "node:port", "https://node:7400", "node:7400/api", "me@node:7400"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
