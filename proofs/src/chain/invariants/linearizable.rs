//! Herlihy & Wing, "Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990.

use crate::chain::world::{Sight, World};
use crate::claim::Claim;
use stateright::Property;

/// Some order of the operations, in which each takes effect between its invocation and its return,
/// explains what every client saw; an operation whose outcome is unknown takes effect later or
/// never.
pub fn linearizable<W: World>() -> Property<W> {
    Claim::Linearizable.always(|_, state| W::system(state).history().is_linearizable())
}
