//! What is told to the supervisor that started the node, where one listens: systemd's notification protocol, a
//! datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where the node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its journal is read and its doors are open. Whether it is in service depends on the other nodes, and no
    /// supervisor should end it for want of them.
    Started,
    /// It was told to end.
    Stopping,
}

/// Tells it, where somebody listens.
pub(super) fn tell(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, ?state, "the supervisor could not be told");
    }
}

fn send(socket: &OsStr, state: State) -> io::Result<()> {
    let text = match state {
        State::Started => "READY=1\n",
        State::Stopping => "STOPPING=1\n",
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address(socket)?)?;
    Ok(())
}

/// A path, or behind `@` a name in the abstract name space.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_may_listen_under_a_name_without_a_path() {
        let name = format!("shoal-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), State::Started).unwrap();
        let mut bytes = [0; 64];
        let count = listener.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"READY=1\n");
        assert!(send(OsStr::new("/no/such/socket"), State::Started).is_err());
    }
}
