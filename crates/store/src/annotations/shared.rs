//! The annotations behind one lock: the store's owner joins records in, readers look, a flush writes. All are short.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Annotations;

/// A handle on the annotations; clones share them.
#[derive(Clone, Default)]
pub struct SharedAnnotations(Arc<RwLock<Annotations>>);

impl SharedAnnotations {
    /// Shares annotations.
    pub(crate) fn new(annotations: Annotations) -> Self {
        Self(Arc::new(RwLock::new(annotations)))
    }

    /// For looking.
    pub fn read(&self) -> RwLockReadGuard<'_, Annotations> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For joining.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Annotations> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
