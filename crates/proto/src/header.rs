//! Names of the headers that gRPC metadata and HTTP share.

/// Of a write: the copies to wait for, as [`crate::Acks`].
pub const ACKS: &str = "shoal-acks";
/// Of a reply to a write: the synced copies that were made.
pub const COPIES: &str = "shoal-copies";
/// Of a reply to a write, and of a query that is to contain it: a [`crate::Token`].
pub const TOKEN: &str = "shoal-token";
/// Of a query with a token: `warn` for an answer, with a warning, even where the write did not arrive in time.
pub const TOKEN_LATE: &str = "shoal-token-late";
/// Of a reply to a query: the hash of what its node had applied.
pub const FRONTIER: &str = "shoal-frontier";
/// Of a reply to a query: the time up to which all members' writes are in it.
pub const COMPLETE_UNTIL: &str = "shoal-complete-until";
/// Of a write: the writer of its streams, 32 hexadecimal digits.
pub const WRITER: &str = "shoal-writer";
/// Of a write: tells its increments from those of another that cover the same times.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
