//! *Update Propagation Invariant*: van Renesse & Schneider, OSDI '04, section 3.

use crate::chain::world::{World, chain};
use crate::claim::Claim;
use stateright::Property;

/// In the newest installed view, a successor's history is a prefix of its predecessor's. (A history
/// is what is committed, then the log. That equal prefixes were applied to equal effect is
/// `agreement`.)
pub fn update_propagation<W: World>() -> Property<W> {
    Claim::UpdatePropagation.always(|_, state| {
        chain(W::system(state)).windows(2).all(|pair| {
            let [predecessor, successor] = pair else { return true };
            successor.last() <= predecessor.last()
                && (successor.log.iter()).all(|(index, entry)| {
                    *index <= predecessor.committed || predecessor.log.get(index) == Some(entry)
                })
        })
    })
}
