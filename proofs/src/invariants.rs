//! What is claimed of the protocols: one property, one file, one source.
//!
//! | property | says | beside it, *sometimes* |
//! |---|---|---|
//! | [`linearizable`] | what clients saw, some order of the operations explains | every operation ended; a read found a value |
//! | [`update_propagation`] | a successor's history is a prefix of its predecessor's | a successor lags behind |
//! | [`in_process_requests`] | what a successor lacks is in its predecessor's log, without gaps | an update is on its way at two links at once |
//! | [`stable`] | a successor's stable store holds all that its predecessor's holds | a predecessor's lags behind |
//! | [`agreement`] | two members that have committed as much hold the same | all members hold the same, and something |
//! | [`held`] | every acknowledged update is in table or log of every member | an update is acknowledged |
//! | [`at_most_once`] | no operation is twice in a history | a duplicate was refused or answered |
//! | [`incarnations_grow`] | a gateway's starts are numbered upwards | a start gave up an operation |
//! | [`refused`] | what a client was told did not happen never does | (none: no model denies an update; its mutant shows that it can fall) |
//! | [`bounded`] | no log outgrows its window | a window is full |
//! | [`durable`] | what a live actor believes is what it has saved | an actor has recovered and served |
//! | [`finish`] | a state in which nothing can happen has every script finished (no dead end) | |
//!
//! Invariants look at what is *saved*, so they hold of actors that are down too; that the living believe
//! the same is [`durable`].
//!
//! Where the network loses messages for good, there is always something left to happen: sending again.
//! Such models are checked by [`graph`](crate::graph) for *can always finish*: from every state there is a
//! way to one in which every script is finished.
//!
//! What is **not** checked: liveness. Both of these find traps; neither shows that something good happens
//! on every endless run.

mod agreement;
mod at_most_once;
mod bounded;
mod durable;
mod finish;
mod held;
mod in_process_requests;
mod incarnations_grow;
mod linearizable;
mod reached;
mod refused;
mod stable;
mod update_propagation;

pub use agreement::agreement;
pub use at_most_once::at_most_once;
pub use bounded::bounded;
pub use durable::durable;
pub use finish::finish;
pub use held::held;
pub use in_process_requests::in_process_requests;
pub use incarnations_grow::incarnations_grow;
pub use linearizable::linearizable;
pub use reached::Reached;
pub use refused::refused;
pub use stable::stable;
pub use update_propagation::update_propagation;

use crate::world::World;
use stateright::Property;

/// The safety properties of a chain, and no dead end.
pub fn of_chain<W: World>() -> Vec<Property<W>> {
    vec![
        linearizable(),
        update_propagation(),
        in_process_requests(),
        stable(),
        agreement(),
        held(),
        at_most_once(),
        incarnations_grow(),
        refused(),
        bounded(),
        durable(),
        finish(),
    ]
}
