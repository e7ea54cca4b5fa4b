//! Which messages can never matter again.
//!
//! The checker's network never uses a message up: whatever was sent may be delivered at any later
//! time, any number of times. That covers loss, delay, reordering and duplication at once, and it
//! makes state spaces large, because every message ever sent stays part of the state. An actor that
//! can tell, from its own state alone, that a message is a no-op *now and for ever* lets the
//! checker forget it.

use stateright::actor::{Actor, Id};

/// An actor that knows which messages are obsolete.
pub trait Prune: Actor {
    /// Whether delivering `msg` from `src` to this actor is a no-op in `state`, and in every state
    /// that can follow it, across crashes.
    ///
    /// It may look at the receiver's own state and at the message, never at another actor's state.
    /// It must answer `false` for a state in which the actor is down. The checker holds it to its
    /// word: it asserts the no-op, and compares pruned with unpruned runs.
    fn is_obsolete(&self, id: Id, state: &Self::State, src: Id, msg: &Self::Msg) -> bool;
}
