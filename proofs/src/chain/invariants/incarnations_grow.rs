//! RIFL, SOSP '15, section 3: an identifier is never assigned to two operations.

use crate::chain::world::{Sight, World};
use stateright::Property;

/// Each start of a gateway is announced with a greater number than any start before, so that no two
/// operations ever share an identity.
pub fn incarnations_grow<W: World>() -> Property<W> {
    Property::always("incarnations grow", |_, state| W::system(state).history().starts_grow())
}
