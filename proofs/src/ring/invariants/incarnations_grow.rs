//! RIFL (Lee et al., SOSP '15), section 3: identities of operations are never used again.

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;

/// No start of a gateway has the number of an earlier one.
pub fn incarnations_grow<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::IncarnationsGrow.always(|_, state: &State<M>| state.system.history.starts_grow())
}
