//! Replication: the pure state machine of one node. It is given time, messages and views of the other nodes;
//! it changes itself and its store, and lists what is to be sent, synced and told. Members are data: they come
//! and go by frames.
//!
//! - [`replica`]: the state machine
//! - [`member`]: who belongs to the cluster, as a join of records
//! - [`peer`]: what is known of one other node: its link, what it holds, what was pushed
//! - [`write`]: writes that wait for copies
//! - [`fault`]: what was refused of other nodes
//! - `own_bytes`: how many bytes our own frames take
//! - `complete`: how far answers are complete
//! - `job`: work for other threads
//! - [`wire`]: the messages between nodes
//! - [`limits`]: the constants, each with its reason
//!
//! It opens no socket, reads no clock and starts no thread.

mod complete;
pub mod fault;
mod job;
pub mod limits;
pub mod member;
mod own_bytes;
pub mod peer;
pub mod replica;
pub mod wire;
pub mod write;

pub use fault::{Fault, Faults};
pub use job::{Done, Job};
pub use member::{Member, Members, Status};
pub use replica::{
    Config, Counters, Event, ForgetError, HISTORY, MemberStatus, Queues, Readiness, RepairStatus, Replica,
    SubmitError, Totals, Transmit,
};
pub use wire::{Class, Message, WireError};
pub use write::{Acks, Receipt, Ticket, TooFewCopies};
