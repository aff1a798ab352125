//! Datagrams that the kernel dropped because the door was not quick enough: nobody else would tell.

use std::net::SocketAddr;

/// The kernel's lists of UDP sockets.
const LISTS: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// What the kernel has dropped of the datagrams to a socket, as far as was told already.
pub(super) struct Drops {
    port: u16,
    told: u64,
}

impl Drops {
    /// Watches the socket of that address.
    pub(super) fn of(address: SocketAddr) -> Self {
        Self { port: address.port(), told: 0 }
    }

    /// Datagrams dropped since the last time; none where the system does not tell.
    pub(super) fn take(&mut self) -> u64 {
        let lists = LISTS.iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let dropped: u64 = lists.map(|list| dropped(&list, self.port)).sum();
        let new = dropped.saturating_sub(self.told);
        self.told = self.told.max(dropped);
        new
    }
}

/// The last column of the socket's line; the second is its address and port, in hexadecimal.
fn dropped(list: &str, port: u16) -> u64 {
    let ours = format!(":{port:04X}");
    let lines = list
        .lines()
        .skip(1)
        .filter(|line| line.split_ascii_whitespace().nth(1).is_some_and(|address| address.ends_with(&ours)));
    lines.filter_map(|line| line.split_ascii_whitespace().next_back()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_tells_what_was_dropped() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1234 2 0000000000000000 17\n\
            2: 0100007F:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1235 2 0000000000000000 4\n";
        assert_eq!((dropped(list, 8125), dropped(list, 8126), dropped(list, 1)), (17, 4, 0));
    }

    #[test]
    fn a_socket_that_nobody_reads_drops() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut drops = Drops::of(address);
        assert_eq!(drops.take(), 0);
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..20_000 {
            let _ = sender.send_to(&[0; 1_000], address);
        }
        if std::path::Path::new(LISTS[0]).exists() {
            assert!(drops.take() > 0);
        }
    }
}
