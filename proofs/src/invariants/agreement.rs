//! State machine replication (Schneider, "Implementing Fault-Tolerant Services Using the State Machine
//! Approach", Computing Surveys 1990): equal prefixes of one history have equal effects.

use crate::world::{World, chain};
use stateright::Property;

/// Two members that have committed as much as each other hold equal data and equal operation tables.
pub fn agreement<W: World>() -> Property<W> {
    Property::always("agreement", |_, state| {
        let chain = chain(W::system(state));
        let pairs = chain.iter().flat_map(|one| chain.iter().map(move |other| (one, other)));
        let mut equals = pairs.filter(|(one, other)| one.committed == other.committed);
        equals.all(|(one, other)| {
            one.data == other.data
                && one.lanes == other.lanes
                && one.keys == other.keys
                && one.keys == one.data.len() as u64
        })
    })
}
