//! `shoal keygen`: a new cluster key, printed or put in a file that only its owner can read.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shoal_transport::ClusterKeys;

use super::CommandError;

/// What is typed after `shoal keygen`.
#[derive(Debug, clap::Args)]
pub(crate) struct Keygen {
    /// Write the key to a new file (mode 0600) instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keygen {
    pub(crate) fn run(&self) -> Result<String, CommandError> {
        let key = ClusterKeys::generate();
        let Some(path) = &self.out else { return Ok(key) };
        write_new(path, &key).map_err(|source| CommandError::KeyFile { path: path.clone(), source })?;
        Ok(format!("{}: a new cluster key; give the same file to every node\n", path.display()))
    }
}

/// A key in use must not be lost, so an existing file stays as it is.
fn write_new(path: &Path, key: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()
}
