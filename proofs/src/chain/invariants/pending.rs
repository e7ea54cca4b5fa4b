//! The pending updates of a successor are a subset of its predecessor's (after van Renesse &
//! Schneider, OSDI '04).

use crate::chain::world::{World, chain};
use crate::claim::Claim;
use stateright::Property;

/// What a successor has received and not committed, its predecessor has received and not committed,
/// too: pending(succ) ⊆ pending(pred).
pub fn pending<W: World>() -> Property<W> {
    Claim::Pending.always(|_, state| {
        chain(W::system(state)).windows(2).all(|pair| {
            let [predecessor, successor] = pair else { return true };
            successor.log.iter().all(|(index, entry)| predecessor.log.get(index) == Some(entry))
        })
    })
}
