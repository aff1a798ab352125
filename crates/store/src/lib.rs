//! The store of one node: the journal that is write-ahead log and replication log in one, the tables that
//! name streams by number, the catalogue of series, and the points. Everything runs over the [`disk::Disk`]
//! trait, pure and synchronous; a sync is handed out as a job and reported back.
//!
//! - [`disk`]: the seam to the file system, real or in memory with faults
//! - [`annotations`]: what metrics mean, and exemplars
//! - [`base`]: the greatest points of counters that ended before the horizon
//! - [`block`]: immutable files of points, their merges and digests
//! - [`bytes`]: bounded reading and writing of varints
//! - [`frame`]: the immutable unit of replication
//! - [`table`]: an origin's numbers for streams
//! - [`journal`]: segments, group commit, recovery
//! - [`catalogue`]: series and streams by label
//! - [`flush`]: a memtable becomes blocks
//! - [`manifest`]: which files make up the store
//! - [`memtable`]: the newest points of all streams
//! - [`codec`]: columns of times and values as bytes
//! - [`compaction`]: which blocks are merged
//! - [`damage`]: what has rotted, and of which points
//! - [`debt`]: what the frontier covers and the node has not got yet
//! - [`directory`]: format, identity and incarnation of a data directory
//! - [`loan`]: what a node in debt reads from another's view
//! - [`pinned`]: a view that is read window by window
//! - [`scrub`]: verifying what lies on disk
//! - [`snapshot`]: a copy of the store in another directory
//! - [`store`]: all of it together
//! - [`summary`]: running totals beside sealed blocks
//! - [`sweep`]: which streams live nowhere any more
//! - [`view`]: what a reader sees
//! - [`windows`]: blocks by two hours of time
//!
//! It knows no peers, no clock and no threads.

pub mod annotations;
pub mod base;
pub mod block;
pub mod bytes;
pub mod catalogue;
pub mod codec;
pub mod compaction;
#[cfg(test)]
mod crash;
pub mod damage;
pub mod debt;
pub mod directory;
pub mod disk;
pub mod flush;
pub mod frame;
pub mod journal;
pub mod loan;
pub mod manifest;
pub mod memtable;
pub mod pinned;
pub mod scrub;
pub mod snapshot;
pub mod store;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod view;
pub mod windows;

pub use annotations::{Annotations, Described, Description, Exemplar, SharedAnnotations};
pub use block::{BlockError, ShardDigests};
pub use catalogue::{Catalogue, SharedCatalogue};
pub use damage::{Damage, DamageMarks, Damaged};
pub use debt::Debt;
pub use directory::{DirectoryError, Identity};
pub use disk::{Disk, DiskFile, memory::MemoryDisk, real::RealDisk};
pub use frame::{Frame, FrameError, FrameId, Header, Record, Tag};
pub use journal::{Journal, Position, Rot, SyncJob};
pub use loan::{Comparison, Cursor, LendError, Lender, Lent, Shards, Want};
pub use memtable::{Memtable, MemtableView};
pub use pinned::Pinned;
pub use snapshot::{SnapshotDone, SnapshotProgress, SnapshotSize};
pub use store::{
    Appended, Apply, Done, Hole, Job, KnownPoints, Opened, Options, Replayed, Settlement, SnapshotRefused,
    Store, StoreError,
};
pub use table::{Chunk, TableError, Tables};
pub use view::{SeriesRead, SeriesView, StreamRead, StreamView, View};
pub use windows::Windows;
