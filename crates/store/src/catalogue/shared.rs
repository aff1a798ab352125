//! The catalogue behind one lock. The store's owner defines streams; readers and jobs on other threads look them
//! up. Look-ups are short, and a known stream needs no write, so nobody waits long for anyone.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Catalogue;

/// A handle on the catalogue; clones share it.
#[derive(Clone, Default)]
pub struct SharedCatalogue(Arc<RwLock<Catalogue>>);

impl SharedCatalogue {
    /// Shares a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self(Arc::new(RwLock::new(catalogue)))
    }

    /// For looking up.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For defining and recycling.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
