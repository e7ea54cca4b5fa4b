//! RIFL (Lee et al., SOSP '15): what is remembered of an operation answers its retry; here as far
//! as a register remembers.

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;

/// Unknown exactly when it must be: where registers remember enough, no client is told that an
/// outcome is.
pub fn known<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::UnknownWhenItMustBe
        .always(|_, state: &State<M>| state.system.history.unknown().is_empty())
}
