//! The second interpreter of Chainring's actors: processes, sockets and disks.
//!
//! `chainring-proofs` runs the actors of `chainring-model` in a checker; this crate runs the same values
//! for real. It holds no protocol: whatever a node decides, an actor decided.
//!
//! - [`driver`] runs *any* stateright actor: persist, then speak. Start there; `examples/` has a small
//!   program that runs an actor of its own on it.
//! - [`transport`] carries messages over UDP, [`codec`] spells them.
//! - [`disk`] is where storage becomes durable: [`store`] for actors whose storage is a
//!   [`Store`](chainring_model::store::Store) (LMDB), [`whole`] for those whose storage is a serde value.
//! - [`node`] puts a replica, gateways, a coordinator and a [`resp`] server together, as the cluster file
//!   ([`config`]) says; `front` and its `door`s stand between clients and gateways, `system` says what
//!   is different from protocol to protocol, [`status`] is what a node says of itself, and [`trace`] records what
//!   its actors do, and replays it. [`tell`] writes log lines, and lets nothing wait for them.

pub mod clock;
pub mod codec;
pub mod config;
mod descriptors;
pub mod disk;
mod door;
pub mod driver;
mod front;
pub mod node;
pub mod resp;
pub mod shard;
pub mod status;
pub mod store;
mod system;
pub mod tell;
pub mod trace;
pub mod transport;
pub mod whole;

pub use system::Order;
