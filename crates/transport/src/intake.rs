//! The reading side of one connection: datagrams and streams become arrivals. When nobody takes the
//! arrivals, streams wait, which stops the sender through QUIC's flow control, and gossip is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use quinn::{Connection, RecvStream};
use shoal_model::NodeId;
use shoal_model::limits::MESSAGE_BYTES_MAX;

use crate::arrivals::{Arrival, Inlet};
use crate::class::Class;
use crate::refusal::CLOSE_MISUSED;
use crate::stats::Counters;

/// Bytes that a reader asks of a stream at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where a connection's arrivals go.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) from: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) inlet: Inlet,
    pub(crate) counters: Arc<Counters>,
}

/// The classes whose stream a connection already has.
#[derive(Debug, Default)]
struct Taken([AtomicBool; Class::ALL.len()]);

impl Taken {
    /// Takes a class, and returns whether it was taken before.
    fn take(&self, class: Class) -> bool {
        self.0.get(class.index()).is_none_or(|taken| taken.swap(true, Ordering::Relaxed))
    }
}

/// Why a stream is read no further.
enum Ended {
    /// The peer or the connection ended it, or nobody takes arrivals any more.
    Quietly,
    /// The peer broke the rules.
    Misused(&'static str),
}

impl Intake {
    /// Reads a connection until it is closed.
    pub(crate) async fn run(self, connection: &Connection) {
        tokio::join!(self.read_datagrams(connection), self.accept_streams(connection));
    }

    async fn read_datagrams(&self, connection: &Connection) {
        while let Ok(message) = connection.read_datagram().await {
            self.deliver_gossip(message);
        }
    }

    /// A task a stream; they end by themselves, for what has arrived is still read when the connection is gone.
    async fn accept_streams(&self, connection: &Connection) {
        let taken = Arc::new(Taken::default());
        while let Ok(stream) = connection.accept_uni().await {
            let (intake, taken, connection) = (self.clone(), taken.clone(), connection.clone());
            tokio::spawn(async move {
                if let Err(Ended::Misused(reason)) = intake.read_stream(&taken, stream).await {
                    tracing::warn!(peer = %intake.from, reason, "closed the connection of a peer that breaks the rules");
                    connection.close(CLOSE_MISUSED, reason.as_bytes());
                }
            });
        }
    }

    async fn read_stream(&self, taken: &Taken, mut stream: RecvStream) -> Result<(), Ended> {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.map_err(|_| Ended::Quietly)?;
        let class =
            byte.first().copied().and_then(Class::from_byte).ok_or(Ended::Misused("an unknown class"))?;
        if class != Class::Gossip && taken.take(class) {
            return Err(Ended::Misused("a second stream of a class"));
        }
        loop {
            let message = read_message(&mut stream).await?;
            if class == Class::Gossip {
                self.deliver_gossip(message);
                continue;
            }
            self.counters.count_received(message.len());
            let arrival = self.arrival(class, message);
            self.inlet.deliver(arrival).await.map_err(|_| Ended::Quietly)?;
        }
    }

    fn deliver_gossip(&self, message: Bytes) {
        self.counters.count_received(message.len());
        if self.inlet.offer(self.arrival(Class::Gossip, message)).is_err() {
            self.counters.dropped_in.add(1);
        }
    }

    fn arrival(&self, class: Class, message: Bytes) -> Arrival {
        Arrival { from: self.from, address: self.address, class, message }
    }
}

/// Room is made as bytes arrive: an announced length alone allocates nothing.
async fn read_message(stream: &mut RecvStream) -> Result<Bytes, Ended> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(|_| Ended::Quietly)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(Ended::Misused("a message beyond the limit"));
    }
    let mut message = BytesMut::new();
    while message.len() < length {
        let wanted = CHUNK_BYTES.min(length - message.len());
        // A message cut short is that of a connection which the peer replaced: it comes again on the next.
        let chunk = stream.read_chunk(wanted, true).await.ok().flatten().ok_or(Ended::Quietly)?;
        message.extend_from_slice(&chunk.bytes);
    }
    Ok(message.freeze())
}
