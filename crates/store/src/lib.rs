//! The store of one node: the journal that is write-ahead log and replication log in one, the tables that
//! name streams by number, the catalogue of series, and the points. Everything runs over the [`disk::Disk`]
//! trait, pure and synchronous; a sync is handed out as a job and reported back.
//!
//! - [`disk`]: the seam to the file system, real or in memory with faults
//! - [`bytes`]: bounded reading and writing of varints
//! - [`frame`]: the immutable unit of replication
//! - [`table`]: an origin's numbers for streams
//! - [`journal`]: segments, group commit, recovery
//! - [`catalogue`]: series and streams by label
//! - [`points`]: the points of each stream
//! - [`directory`]: format, identity and incarnation of a data directory
//! - [`store`]: all of it together
//!
//! It knows no peers, no clock and no threads.

pub mod bytes;
pub mod catalogue;
pub mod directory;
pub mod disk;
pub mod frame;
pub mod journal;
pub mod points;
pub mod store;
pub mod table;

pub use directory::{DirectoryError, Identity};
pub use disk::{Disk, DiskFile, memory::MemoryDisk, real::RealDisk};
pub use frame::{Frame, FrameError, FrameId, Header, Record, Tag};
pub use journal::{Journal, Position, Rot, SyncJob};
pub use store::{Appended, Apply, Hole, Opened, Replayed, SeriesView, Store, StoreError, StreamView};
pub use table::{Chunk, TableError, Tables};
