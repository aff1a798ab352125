//! StatsD lines at a steady rate: a thousand counters with two tags, as many lines a datagram as fit an Ethernet
//! frame.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of a datagram that no network cuts in two.
const DATAGRAM_BYTES_MAX: usize = 1_432;
const COUNTERS: u64 = 1_000;
/// Datagrams between looks at the clock.
const STRIDE: u64 = 16;

/// What to send.
pub(super) struct Lines {
    pub(super) to: Vec<SocketAddr>,
    pub(super) lines: u64,
    pub(super) rate: u64,
}

/// What was sent.
pub(super) struct SentLines {
    pub(super) lines: u64,
    took: Duration,
    run: u64,
}

impl SentLines {
    pub(super) fn per_second(&self) -> f64 {
        self.lines as f64 / self.took.as_secs_f64()
    }

    /// A query for how many of them were counted.
    pub(super) fn question(&self) -> String {
        format!("sum(bench_lines{{run=\"{}\"}})", self.run)
    }
}

impl Lines {
    /// Sends them on a thread of its own.
    pub(super) async fn run(self) -> io::Result<SentLines> {
        tokio::task::spawn_blocking(move || self.send()).await.map_err(io::Error::other)?
    }

    fn send(&self) -> io::Result<SentLines> {
        let run = rand::random::<u64>() >> 16;
        let datagrams = datagrams(run);
        let mut sockets = Vec::new();
        for address in &self.to {
            let any: SocketAddr =
                if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            sockets.push(socket);
        }
        let (mut lines, began) = (0, Instant::now());
        for ((sent, (count, datagram)), socket) in
            (0_u64..).zip(datagrams.iter().cycle()).zip(sockets.iter().cycle())
        {
            if lines >= self.lines {
                break;
            }
            socket.send(datagram)?;
            lines += count;
            if sent % STRIDE == 0 && self.rate > 0 {
                let due = Duration::from_secs_f64(lines as f64 / self.rate as f64);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
        }
        Ok(SentLines { lines, took: began.elapsed(), run })
    }
}

/// Datagrams that hold each counter once, with the number of lines in each.
fn datagrams(run: u64) -> Vec<(u64, Vec<u8>)> {
    let (mut datagrams, mut datagram, mut count) = (Vec::new(), Vec::new(), 0);
    for counter in 0..COUNTERS {
        let line = format!("bench.lines:1|c|#run:{run},path:/{counter}\n");
        if datagram.len() + line.len() > DATAGRAM_BYTES_MAX {
            datagrams.push((std::mem::take(&mut count), std::mem::take(&mut datagram)));
        }
        datagram.extend_from_slice(line.as_bytes());
        count += 1;
    }
    datagrams.push((count, datagram));
    datagrams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_in_one_datagram() {
        let datagrams = datagrams(7);
        assert_eq!(datagrams.iter().map(|(count, _)| count).sum::<u64>(), COUNTERS);
        assert!(datagrams.iter().all(|(_, datagram)| datagram.len() <= DATAGRAM_BYTES_MAX));
        let lines = |datagram: &[u8]| datagram.split(|byte| *byte == b'\n').count() as u64 - 1;
        assert!(datagrams.iter().all(|(count, datagram)| lines(datagram) == *count));
    }
}
