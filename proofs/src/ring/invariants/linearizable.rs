//! Herlihy & Wing, "Linearizability", TOPLAS 1990.

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;

/// Some order of the operations explains what every client saw.
pub fn linearizable<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::Linearizable.always(|_, state: &State<M>| state.system.history.is_linearizable())
}
