//! Exactly-once semantics, Lee et al., "Implementing Linearizability at Large Scale and Low
//! Latency" (RIFL), SOSP '15.

use crate::chain::world::{World, members};
use crate::claim::Claim;
use stateright::Property;
use std::collections::BTreeSet;

/// No operation is twice in any history: not twice in a log, nor in the log and already applied.
pub fn at_most_once<W: World>() -> Property<W> {
    Claim::AtMostOnce.always(|_, state| {
        members(W::system(state)).iter().all(|member| {
            let mut seen = BTreeSet::new();
            (member.log.values())
                .all(|entry| seen.insert(entry.id) && !member.has_applied(&entry.id))
        })
    })
}
