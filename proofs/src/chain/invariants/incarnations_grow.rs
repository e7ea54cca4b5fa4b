//! RIFL, SOSP '15, section 3: an identifier is never assigned to two operations.

use crate::chain::world::{Sight, World};
use crate::claim::Claim;
use stateright::Property;

/// Each start of a gateway is announced with a greater number than any start before, so that no two
/// operations ever share an identity.
pub fn incarnations_grow<W: World>() -> Property<W> {
    Claim::IncarnationsGrow.always(|_, state| W::system(state).history().starts_grow())
}
