//! The data directory of a running node: taken by one process at a time, and telling the addresses taken.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::CryptoRng;
use shoal_store::directory::begin_life;
use shoal_store::{Identity, RealDisk};

use super::supervisor;

/// A data directory that this process has taken.
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Takes the directory, which is made if it does not exist.
    pub(super) fn take(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("--data {}", path.display()))?;
        let lock = File::create(path.join("LOCK")).with_context(|| format!("--data {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("--data {}: another process uses this directory", path.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("--data {}", path.display()))
            }
        }
    }

    /// The disk below the directory.
    pub(super) fn disk(&self) -> RealDisk {
        RealDisk::new(&self.path)
    }

    /// Checks the directory's format and begins a life of its node.
    pub(super) fn begin_life(&self, rng: &mut impl CryptoRng) -> anyhow::Result<Identity> {
        begin_life(&self.disk(), crate::clock::wall_ms(), rng)
            .with_context(|| format!("--data {}", self.path.display()))
    }

    /// Tells the addresses taken, in a file and in one line on standard output, and the supervisor that the node runs.
    pub(super) fn announce(
        &self,
        client: SocketAddr,
        peer: SocketAddr,
        statsd: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let scratch = self.path.join("addresses.new");
        let statsd = statsd.map(|address| format!("statsd={address}"));
        let addresses = [Some(format!("client={client}")), Some(format!("peer={peer}")), statsd];
        let addresses: Vec<_> = addresses.into_iter().flatten().collect();
        fs::write(&scratch, addresses.join("\n") + "\n")?;
        fs::rename(scratch, self.path.join("addresses"))?;
        println!("{}", addresses.join(" "));
        supervisor::tell(supervisor::State::Started);
        Ok(())
    }

    /// The node is gone: its addresses are no longer true.
    pub(super) fn retract(&self) {
        // What cannot be removed is overwritten at the next start.
        let _ = fs::remove_file(self.path.join("addresses"));
    }
}
