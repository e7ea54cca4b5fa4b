//! van Renesse & Guerraoui, "Replication Techniques for Availability" (2010), section 5:
//! configurations are wedged for good.

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;

/// No node or coordinator ever shows to know an older view than it has shown before, also not after
/// a crash.
pub fn epochs_advance<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::EpochsAdvance.always(|_, state: &State<M>| state.system.history.decisions().advance())
}
