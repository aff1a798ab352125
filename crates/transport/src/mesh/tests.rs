//! Meshes over real sockets on loopback.

mod delivery;
mod failure;
mod rig;
mod strangers;
