//! Crash safety, proven: seeded workloads over the store and a disk with faults, and a plain record of what was
//! written and promised. At every operation of the disk the machine loses power, the process dies, the space
//! ends or syncs fail; after that everything is compared with the record.

mod churn;
mod death;
mod named;
mod order;
mod rig;
mod rot;
mod space;
mod truth;
