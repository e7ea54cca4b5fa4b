//! What an operation of a client passes on its way to a gateway, and back.
//!
//! A node has a gateway for each chain, or one for the ring. Before each stands a `door`, which is
//! its client; the chain of a key is what [`shard`] says.

pub(crate) mod door;
pub mod shard;
mod turns;
