//! The protocols of Chainring, each written once, as
//! [stateright](https://docs.rs/stateright/0.31.0) actors.
//!
//! This crate is fully deterministic. It does no networking, reads no clock, draws no random number
//! and touches no file; it depends on stateright and serde alone, and CI proves it. Durations,
//! addresses and durable state are data that are handed in, so that the very same actor
//! values are taken by the model checker (`chainring-proofs`) and by the UDP runtime
//! (`chainring-runtime`), and nothing in here can tell which of the two is running it.
//!
//! Start with [`kv`], which says what an operation on a key means, then read
//! [`chain::Replica`] from top to bottom: it is the protocol.

// A match over an enum names all of its variants, so that a new message or row is seen to
// everywhere.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod chain;
pub mod coordinator;
pub mod kv;
pub mod mechanism;
pub mod membership;
pub mod nested;
pub mod prune;
pub mod ring;
pub mod session;

pub use chainring_store as store;
pub use mechanism::{Intact, Mechanism, Mechanisms, Without};
