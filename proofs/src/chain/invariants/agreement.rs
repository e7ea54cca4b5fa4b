//! State machine replication (Schneider, "Implementing Fault-Tolerant Services Using the State
//! Machine Approach", Computing Surveys 1990): equal prefixes of one history have equal effects.

use crate::chain::world::{Member, World, chain, teachings};
use crate::claim::Claim;
use chainring_model::chain::Place;
use stateright::Property;

/// Two members that have committed as much as each other hold equal data and equal operation
/// tables; and so do a tail and its learner, when that has finished its scan.
pub fn agreement<W: World>() -> Property<W> {
    Claim::Agreement.always(|_, state| {
        let system = W::system(state);
        let chain = chain(system);
        let pairs = chain.iter().flat_map(|one| chain.iter().map(move |other| (one, other)));
        let mut learned = teachings(system).into_iter();
        let mut pairs = pairs.filter(|(one, other)| one.committed == other.committed);
        pairs.all(|(one, other)| equal(one, other))
            && learned.all(|(tail, learner)| {
                let done = learner.learns().is_some_and(|(_, place)| *place == Place::Done);
                !done || tail.committed != learner.committed || equal(&tail, &learner)
            })
    })
}

fn equal(one: &Member, other: &Member) -> bool {
    one.data == other.data
        && one.lanes == other.lanes
        && one.keys == other.keys
        && one.keys == one.data.len() as u64
}
