//! The newcomer is the tail in effect before it is in name: what it lacks, its tail has.

use crate::chain::world::{World, teachings};
use crate::claim::Claim;
use chainring_model::chain::Place;
use stateright::Property;

/// What a learner lacks of what its tail has committed is retained in the tail's log.
pub fn retained<W: World>() -> Property<W> {
    Claim::Retained.always(|_, state| {
        teachings(W::system(state)).iter().all(|(tail, learner)| match learner.learns() {
            Some((_, Place::After(Some(_)) | Place::Done)) => (learner.committed + 1
                ..=tail.committed)
                .all(|index| tail.retained.contains_key(&index)),
            _ => true, // its first part will say where it begins
        })
    })
}
