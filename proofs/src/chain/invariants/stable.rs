//! The stable store of a successor is a superset of its predecessor's (after van Renesse &
//! Schneider, OSDI '04).

use crate::chain::world::{World, chain};
use crate::claim::Claim;
use stateright::Property;

/// A successor has committed at least what its predecessor has: stable(pred) ⊆ stable(succ).
pub fn stable<W: World>() -> Property<W> {
    Claim::Stable.always(|_, state| {
        let chain = chain(W::system(state));
        chain.windows(2).all(|pair| pair[0].committed <= pair[1].committed)
    })
}
