//! What peers sent and nobody took yet: a bounded lane for each class, taken the most urgent first. So a
//! peer's old frames wait behind everybody's acknowledgements at the receiver too, not only on the wire.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use shoal_model::NodeId;
use tokio::sync::mpsc;

use crate::class::Class;

/// A message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it; its certificate says so.
    pub from: NodeId,
    /// Where the sender is reached: the address that it advertises.
    pub address: SocketAddr,
    /// Its class.
    pub class: Class,
    /// What it says.
    pub message: Bytes,
}

/// The receiving ends of the lanes, one for each class in the order of [`Class::ALL`].
#[derive(Debug)]
pub struct Arrivals {
    lanes: [mpsc::Receiver<Arrival>; Class::ALL.len()],
}

/// The sending ends; a full lane of a stream makes its peers wait, through QUIC's flow control.
#[derive(Clone, Debug)]
pub(crate) struct Inlet {
    lanes: [mpsc::Sender<Arrival>; Class::ALL.len()],
}

/// Nobody takes arrivals any more, or, of gossip, not now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Untaken;

/// The two ends of all lanes.
pub(crate) fn lanes() -> (Inlet, Arrivals) {
    let [gossip, control, frames, repair] = Class::ALL.map(|class| mpsc::channel(class.arrivals_max()));
    let inlet = Inlet { lanes: [gossip.0, control.0, frames.0, repair.0] };
    (inlet, Arrivals { lanes: [gossip.1, control.1, frames.1, repair.1] })
}

impl Inlet {
    /// Hands a message of a stream over, once there is room.
    pub(crate) async fn deliver(&self, arrival: Arrival) -> Result<(), Untaken> {
        self.lane(arrival.class).send(arrival).await.map_err(|_| Untaken)
    }

    /// Hands a message over if there is room now.
    pub(crate) fn offer(&self, arrival: Arrival) -> Result<(), Untaken> {
        self.lane(arrival.class).try_send(arrival).map_err(|_| Untaken)
    }

    fn lane(&self, class: Class) -> &mpsc::Sender<Arrival> {
        self.lanes.get(class.index()).expect("there is a lane for each class")
    }
}

impl Arrivals {
    /// Gossip's own lane, for whoever gossips: what is left holds the other classes.
    pub fn take_gossip(&mut self) -> mpsc::Receiver<Arrival> {
        let lane = self.lanes.get_mut(Class::Gossip.index()).expect("there is a lane for each class");
        std::mem::replace(lane, mpsc::channel(1).1)
    }

    /// The most urgent message; `None` when the mesh is closed. Cancel safe.
    pub async fn recv(&mut self) -> Option<Arrival> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// The most urgent messages, at least one of them, until there are `messages_max` or more than `bytes_max`; none
    /// when the mesh is closed. Cancel safe.
    pub async fn recv_many(&mut self, into: &mut Vec<Arrival>, messages_max: usize, bytes_max: usize) {
        let Some(first) = self.recv().await else { return };
        let mut bytes = first.message.len();
        into.push(first);
        while into.len() < messages_max && bytes <= bytes_max {
            let Some(next) = self.try_recv() else { return };
            bytes += next.message.len();
            into.push(next);
        }
    }

    /// The most urgent message that is here already.
    pub fn try_recv(&mut self) -> Option<Arrival> {
        self.lanes.iter_mut().find_map(|lane| lane.try_recv().ok())
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        let mut is_closed = true;
        for lane in &mut self.lanes {
            match lane.poll_recv(context) {
                Poll::Ready(Some(arrival)) => return Poll::Ready(Some(arrival)),
                Poll::Ready(None) => {}
                Poll::Pending => is_closed = false,
            }
        }
        if is_closed { Poll::Ready(None) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(class: Class, length: usize) -> Arrival {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Arrival { from: NodeId([1; 16]), address, class, message: vec![0; length].into() }
    }

    #[tokio::test]
    async fn the_most_urgent_is_taken_first_and_no_more_than_asked_for() {
        let (inlet, mut arrivals) = lanes();
        for class in [Class::Repair, Class::Frames, Class::Frames, Class::Control, Class::Gossip] {
            assert_eq!(inlet.offer(arrival(class, 10)), Ok(()));
        }
        let mut taken = Vec::new();
        arrivals.recv_many(&mut taken, 3, 1_000).await;
        let classes = |taken: &[Arrival]| taken.iter().map(|arrival| arrival.class).collect::<Vec<_>>();
        assert_eq!(classes(&taken), [Class::Gossip, Class::Control, Class::Frames]);
        taken.clear();
        arrivals.recv_many(&mut taken, 3, 9).await;
        assert_eq!(classes(&taken), [Class::Frames], "the bytes are enough");
        drop(inlet);
        assert_eq!(arrivals.recv().await.map(|arrival| arrival.class), Some(Class::Repair));
        assert_eq!(arrivals.recv().await, None);
    }

    #[tokio::test]
    async fn gossip_that_was_taken_out_goes_its_own_way() {
        let (inlet, mut arrivals) = lanes();
        let mut gossip = arrivals.take_gossip();
        inlet.offer(arrival(Class::Gossip, 1)).unwrap();
        inlet.offer(arrival(Class::Repair, 1)).unwrap();
        assert_eq!(arrivals.recv().await.map(|arrival| arrival.class), Some(Class::Repair));
        assert_eq!(gossip.recv().await.map(|arrival| arrival.class), Some(Class::Gossip));
    }

    #[test]
    fn a_full_lane_leaves_room_in_the_others() {
        let (inlet, _arrivals) = lanes();
        while inlet.offer(arrival(Class::Frames, 1)).is_ok() {}
        assert_eq!(inlet.offer(arrival(Class::Control, 1)), Ok(()));
    }
}
