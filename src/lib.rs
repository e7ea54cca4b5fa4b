//! A Chainring process: what stands between its actors, its clients and its operators.
//!
//! The actors are `chainring-model`'s, and `chainring-runtime` runs them as it runs any stateright actor. This library
//! is the rest of a node.
//!
//! - [`config`] is the cluster file, and `protocol` says what a node has to know of each protocol.
//! - [`resp`] is the Redis protocol; `front` is a node as it sees one, and [`gateway`] holds the way from there to
//!   the actors.
//! - `board` is what a node's actors show of themselves, [`status`] how that is told, and [`trace`] records what they do,
//!   and replays it. [`tell`] writes log lines, and lets nothing wait for them.
//! - `stores` makes and opens a node's stores, and [`node`] puts all of this together.

mod board;
pub mod config;
mod front;
pub mod gateway;
pub mod node;
mod protocol;
pub mod resp;
pub mod status;
mod stores;
pub mod tell;
pub mod trace;

pub use protocol::Order;
