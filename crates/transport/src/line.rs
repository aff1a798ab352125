//! One connection at work: the task that reads it and, while it is the peer's newest, writes what waits for
//! the peer. A connection that another has replaced lingers until the peer sends no more on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, SendStream};
use tokio::sync::watch;

use crate::class::Class;
use crate::intake::Intake;
use crate::outbox::Outbox;
use crate::peer::Line;
use crate::refusal::{CLOSE_MISUSED, CLOSE_REPLACED, CLOSE_STOPPED};

/// How long a replaced connection must be quiet before it is closed: what is under way arrives sooner.
const LINGER: Duration = Duration::from_secs(2);

/// The writing side of one connection.
pub(crate) struct Courier {
    pub(crate) line: Line,
    pub(crate) connection: Connection,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) intake: Intake,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Carries what waits for the peer.
    Carry,
    /// Is read only.
    Linger,
}

/// The connection cannot be written to.
struct Broken;

impl Courier {
    /// Works until the connection is closed.
    pub(crate) async fn run(mut self, duty: Duty) {
        let connection = self.connection.clone();
        let intake = self.intake.clone();
        tokio::join!(intake.run(&connection), async {
            if duty == Duty::Linger || self.carry().await {
                self.linger().await;
            }
        });
    }

    /// Sends what waits until the connection is lost or the mesh stops; returns whether it was replaced instead.
    async fn carry(&self) -> bool {
        let streams = async {
            tokio::try_join!(
                self.carry_gossip(),
                self.carry_stream(Class::Control),
                self.carry_stream(Class::Frames),
                self.carry_stream(Class::Repair),
            )
        };
        // Dropping the streams ends them; what they hold is still sent while the connection lingers.
        tokio::select! {
            biased;
            _ = self.connection.closed() => return false,
            () = self.line.retired.notified() => return true,
            carried = streams => if carried.is_err() {
                self.connection.close(CLOSE_MISUSED, b"a stream was stopped");
                return false;
            }
        }
        if *self.stop.borrow() {
            self.connection.close(CLOSE_STOPPED, b"the node stops");
            return false;
        }
        true
    }

    async fn carry_gossip(&self) -> Result<(), Broken> {
        while self.next(Class::Gossip).await.is_some() {
            // Another may have been displaced meanwhile, so it is what is taken that is sent.
            let Some(message) = self.outbox.pop(Class::Gossip, self.line.id) else { continue };
            self.intake.counters.count_sent(message.len());
            if self.connection.max_datagram_size().is_some_and(|size| message.len() <= size) {
                let _ = self.connection.send_datagram(message);
                continue;
            }
            let mut stream = self.open(Class::Gossip).await?;
            write(&mut stream, message).await?;
            stream.finish().map_err(|_| Broken)?;
        }
        Ok(())
    }

    async fn carry_stream(&self, class: Class) -> Result<(), Broken> {
        let Some(mut message) = self.next(class).await else { return Ok(()) };
        let mut stream = self.open(class).await?;
        loop {
            let bytes = message.len();
            write(&mut stream, message).await?;
            self.intake.counters.count_sent(bytes);
            self.outbox.pop(class, self.line.id);
            match self.next(class).await {
                Some(next) => message = next,
                None => break,
            }
        }
        if *self.stop.borrow() && stream.finish().is_ok() {
            let _ = stream.stopped().await;
        }
        Ok(())
    }

    async fn next(&self, class: Class) -> Option<Bytes> {
        self.outbox.next(class, self.line.id, &self.stop).await
    }

    async fn open(&self, class: Class) -> Result<SendStream, Broken> {
        let mut stream = self.connection.open_uni().await.map_err(|_| Broken)?;
        stream.set_priority(class.priority()).map_err(|_| Broken)?;
        stream.write_all(&[class.byte()]).await.map_err(|_| Broken)?;
        Ok(stream)
    }

    /// The peer may not have noticed the newer connection, or may prefer this one.
    async fn linger(&mut self) {
        loop {
            let before = self.heard();
            tokio::select! {
                biased;
                _ = self.connection.closed() => return,
                _ = self.stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(LINGER) => {}
            }
            if self.heard() == before {
                break;
            }
        }
        self.connection.close(CLOSE_REPLACED, b"a newer connection took its place");
    }

    /// How many pieces of messages the peer has sent.
    fn heard(&self) -> u64 {
        let frames = self.connection.stats().frame_rx;
        frames.stream + frames.datagram
    }
}

async fn write(stream: &mut SendStream, message: Bytes) -> Result<(), Broken> {
    let length = u32::try_from(message.len()).expect("a message beyond the limit is never queued");
    stream.write_all(&length.to_le_bytes()).await.map_err(|_| Broken)?;
    stream.write_chunk(message).await.map_err(|_| Broken)
}
