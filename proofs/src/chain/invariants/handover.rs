//! Chain extension: the learner that is handed over to decides what is committed, and must be able
//! to.

use crate::chain::world::{World, teachings};
use crate::claim::Claim;
use chainring_model::chain::Place;
use stateright::Property;

/// A tail hands over to a learner that has every row, and to no other; and until it has, the
/// learner has committed nothing that its tail has not.
pub fn handover<W: World>() -> Property<W> {
    Claim::Handover.always(|_, state| {
        teachings(W::system(state)).iter().all(|(tail, learner)| {
            let done = learner.learns().is_some_and(|(_, place)| *place == Place::Done);
            if tail.has_handed_over() { done } else { learner.committed <= tail.committed }
        })
    })
}
