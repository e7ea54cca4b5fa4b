//! Runs stateright actors for real: processes, sockets and disks.
//!
//! It runs *any* stateright actor, and knows none: no protocol, no client, no configuration. Of
//! what an actor keeps it knows the [`Store`](chainring_store::Store) trait.
//!
//! - [`driver`] runs *any* stateright actor: persist, then speak. Start there; `examples/` has a
//!   small program that runs an actor of its own on it.
//! - [`transport`] carries messages over UDP, [`codec`] spells them.
//! - [`trace`] records what actors do, and replays it.
//! - [`disk`] is where storage becomes durable: [`store`] for actors whose storage is a
//!   `Store` (LMDB), [`whole`] for those whose storage is a serde value.

pub mod clock;
pub mod codec;
pub mod disk;
pub mod driver;
pub mod store;
pub mod trace;
pub mod transport;
pub mod whole;
