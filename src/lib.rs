//! A Chainring process: what stands between its actors, its clients and its operators.
//!
//! The actors are `chainring-model`'s, and `chainring-runtime` runs them as it runs any stateright
//! actor. This library is the rest of a node.
//!
//! From below, and each room names only those above it in this list:
//!
//! - [`resp`] is the Redis protocol, and knows a node as its [`Service`](resp::Service) only;
//!   [`status`] is what a node says of itself to `chainring status`; [`tell`] writes log lines, and
//!   lets nothing wait for them.
//! - [`config`] is the cluster file.
//! - `protocol` says what a node has to know of a protocol: types, and pure functions of them.
//! - [`stores`] makes and opens a node's stores; [`trace`] records what its actors do, and replays
//!   it; [`gateway`] is the way of an operation to an actor, and back.
//! - `board` is what a node's actors show of themselves.
//! - `operate` answers what operators ask, and questions about all keys.
//! - `front` is a node as [`resp`] sees it, and [`node`] puts all of this together: the only file
//!   that knows all.

mod board;
pub mod config;
mod front;
pub mod gateway;
pub mod node;
mod operate;
mod protocol;
pub mod resp;
pub mod status;
pub mod stores;
pub mod tell;
pub mod trace;
