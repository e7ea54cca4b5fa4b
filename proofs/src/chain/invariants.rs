//! What is claimed of the protocols: one property, one file, one source.
//!
//! | property | says | beside it, *sometimes* |
//! |---|---|---|
//! | [`linearizable`] | what clients saw, some order of the operations explains | every operation ended; a read found a value |
//! | [`update_propagation`] | a successor's history is a prefix of its predecessor's | a successor lags behind |
//! | [`in_process_requests`] | what a successor lacks is in its predecessor's log, without gaps | an update is on its way at two links at once |
//! | [`pending`] | what a successor has not committed yet, its predecessor has neither | two links are busy |
//! | [`stable`] | a successor's stable store holds all that its predecessor's holds | a predecessor's lags behind |
//! | [`agreement`] | two members that have committed as much hold the same | all members hold the same, and something |
//! | [`retained`] | what a learner lacks of its tail's committed entries is in the tail's log | a tail commits while it teaches |
//! | [`handover`] | a tail hands over to a learner that has every row | a tail lags its learner |
//! | [`held`] | every acknowledged update is in table or log of every member | an update is acknowledged |
//! | [`copies`] | every acknowledged update is on as many disks of members as copies are to be kept | a member was left out, and another one stays for want of copies |
//! | [`at_most_once`] | no operation is twice in a history | a duplicate was refused or answered |
//! | [`incarnations_grow`] | a gateway's starts are numbered upwards | a start gave up an operation |
//! | [`refused`] | what a client was told did not happen never does | an update was denied |
//! | [`bounded`] | no log outgrows its window | a window is full |
//! | [`one_view`] | an epoch has one view | a view change, of head, middle and tail |
//! | [`passable`] | a coordinator votes only for what a majority of them would vote for, as to copies | |
//! | [`epochs_advance`] | no actor goes back to an older view | |
//! | [`durable`] | what a live actor believes is what it has saved | an actor has recovered and served |
//! | [`finish`] | a state in which nothing can happen has every script finished (no dead end) | |
//!
//! Where it is said of members, it is those of the newest decided view, whichever view each of them
//! is in. Invariants look at what is *saved*, so they hold of actors that are down too; that the
//! living believe the same is [`durable`].
//!
//! Where the network loses messages for good, there is always something left to happen: sending
//! again. Such models are checked by [`graph`](crate::checker::graph) for *can always finish*: from
//! every state there is a way to one in which every script is finished.
//!
//! What is **not** checked: liveness. Both of these find traps; neither shows that something good
//! happens on every endless run.

mod agreement;
mod at_most_once;
mod bounded;
mod copies;
mod durable;
mod epochs_advance;
mod finish;
mod handover;
mod held;
mod in_process_requests;
mod incarnations_grow;
mod linearizable;
mod one_view;
mod passable;
mod pending;
mod refused;
mod retained;
mod stable;
mod update_propagation;

pub use agreement::agreement;
pub use at_most_once::at_most_once;
pub use bounded::bounded;
pub use copies::copies;
pub use durable::durable;
pub use epochs_advance::epochs_advance;
pub use finish::finish;
pub use handover::handover;
pub use held::held;
pub use in_process_requests::in_process_requests;
pub use incarnations_grow::incarnations_grow;
pub use linearizable::linearizable;
pub use one_view::one_view;
pub use passable::passable;
pub use pending::pending;
pub use refused::refused;
pub use retained::retained;
pub use stable::stable;
pub use update_propagation::update_propagation;

use crate::chain::world::World;
use stateright::Property;

/// The safety properties of a chain, and no dead end.
pub fn of_chain<W: World>() -> Vec<Property<W>> {
    vec![
        linearizable(),
        update_propagation(),
        in_process_requests(),
        pending(),
        stable(),
        agreement(),
        retained(),
        handover(),
        held(),
        copies(),
        at_most_once(),
        incarnations_grow(),
        refused(),
        bounded(),
        one_view(),
        passable(),
        epochs_advance(),
        durable(),
        finish(),
    ]
}
