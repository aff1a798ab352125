//! StatsD and DogStatsD over UDP (`--statsd ADDR`). One thread owns the socket and what is counted, and once a
//! second hands over what to write; where the last second is still being written, the next one includes it.

mod aggregate;
mod drops;
mod line;
mod series;
mod slot;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shoal_model::StreamPoints;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Context, Door, gathered};
use crate::clock::wall_ms;
use aggregate::Aggregate;
use drops::Drops;

/// The largest datagram that UDP has.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// What the kernel keeps while the thread is busy, if it lets us have so much.
const SOCKET_BYTES: usize = 8 * 1024 * 1024;
/// How late the thread may see that a second is over, or that the node ends.
const PATIENCE: Duration = Duration::from_millis(50);
const SECOND_MS: i64 = 1_000;

/// The points of one second.
type Second = Vec<Vec<StreamPoints>>;

/// A running door.
pub struct Statsd {
    stop: Arc<AtomicBool>,
    written: JoinHandle<()>,
}

impl Statsd {
    /// Begins to count what comes to the socket. `bounds` are those of histograms, in ascending order.
    pub fn start(context: Context, socket: UdpSocket, bounds: Vec<f64>) -> io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BYTES) {
            tracing::debug!(%error, "the StatsD socket keeps its buffer");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (seconds, taken) = mpsc::channel(1);
        let instance = context.about.profile.client.to_string();
        let door = Receiver {
            aggregate: Aggregate::new(bounds, instance, &mut rand::rng()),
            drops: Drops::of(socket.local_addr()?),
            socket,
            seconds,
            stop: Arc::clone(&stop),
            context: context.clone(),
        };
        std::thread::Builder::new().name("statsd".to_owned()).spawn(move || door.run())?;
        Ok(Self { stop, written: tokio::spawn(write(context, taken)) })
    }

    /// Counts no more; returns when what was counted is written.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A writer that broke has said so.
        let _ = self.written.await;
    }
}

struct Receiver {
    aggregate: Aggregate,
    drops: Drops,
    socket: UdpSocket,
    seconds: mpsc::Sender<Second>,
    stop: Arc<AtomicBool>,
    context: Context,
}

impl Receiver {
    fn run(mut self) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let mut second = wall_ms().div_euclid(SECOND_MS);
        while !self.stop.load(Ordering::Relaxed) {
            let received = self.socket.recv(&mut datagram);
            let now_ms = wall_ms();
            // What arrives in a new second belongs to it, so the old one goes first.
            if now_ms.div_euclid(SECOND_MS) != second && self.hand_over(now_ms) {
                second = now_ms.div_euclid(SECOND_MS);
            }
            match received {
                Ok(len) => self.aggregate.take_datagram(&datagram[..len], now_ms),
                Err(error) if is_quiet(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the StatsD socket");
                    std::thread::park_timeout(PATIENCE);
                }
            }
        }
        let last = self.aggregate.flush((wall_ms().div_euclid(SECOND_MS) + 1) * SECOND_MS);
        // Nobody takes it where the writer has ended.
        let _ = self.seconds.blocking_send(last);
        self.count();
    }

    /// Hands the points of the last second over, unless the one before is still under way.
    fn hand_over(&mut self, now_ms: i64) -> bool {
        if self.seconds.capacity() == 0 {
            return false;
        }
        self.count();
        let parts = self.aggregate.flush(now_ms.div_euclid(SECOND_MS) * SECOND_MS);
        // This thread alone sends, so there is room.
        parts.is_empty() || self.seconds.try_send(parts).is_ok()
    }

    fn count(&mut self) {
        let intake = self.aggregate.take_intake();
        self.context.refusals.accept(Door::Statsd, intake.accepted);
        self.context.refusals.refuse(Door::Statsd, "dropped", self.drops.take());
        for (word, count) in intake.refused {
            self.context.refusals.refuse(Door::Statsd, word, count);
        }
        if let Some((line, reason)) = intake.first {
            tracing::debug!(line, %reason, "StatsD lines were refused; this is the first of the last second");
        }
    }
}

fn is_quiet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

async fn write(context: Context, mut seconds: mpsc::Receiver<Second>) {
    while let Some(parts) = seconds.recv().await {
        for part in parts {
            // The totals come again within a minute, so nothing is lost for good.
            if let Err(error) = gathered::write(&context, Door::StatsdTotals, part).await {
                tracing::debug!(%error, "a second of StatsD totals was not written");
            }
        }
    }
}
