//! van Renesse & Guerraoui, "Replication Techniques for Availability" (2010), section 5:
//! configurations are wedged for good.

use crate::chain::world::{Sight, World};
use crate::claim::Claim;
use stateright::Property;

/// No replica or coordinator ever shows to know an older view than it has shown before, also not
/// after it crashed and recovered.
pub fn epochs_advance<W: World>() -> Property<W> {
    Claim::EpochsAdvance.always(|_, state| W::system(state).history().decisions().advance())
}
