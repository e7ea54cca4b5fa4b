//! No dead end.

use crate::chain::world::{World, finished};
use crate::claim::Claim;
use stateright::Property;

/// A state in which nothing can happen any more has every script finished.
///
/// stateright's `eventually` is judged at states without steps alone, and is unsound on cycles as a
/// claim of liveness. For a condition that stays true once it is, which this one is, what it does
/// judge is judged exactly; and that is all that is claimed.
pub fn finish<W: World>() -> Property<W> {
    Claim::NoDeadEnd.eventually(|world, state| finished(world, state))
}
