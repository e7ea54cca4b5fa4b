//! Durability, as of the chain (van Renesse & Schneider, OSDI '04, section 3.2): replies are only
//! sent for what every quorum leads to.

use super::{judged, newest_view, quorums};
use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;
use std::collections::BTreeSet;

/// Every quorum of the newest stable view leads to every acknowledged write.
pub fn held<M: Mechanisms, const RECENT: usize>() -> Property<RingModel<M>> {
    Claim::Held.always(|_, state: &State<M>| judged(&state.system, RECENT).held)
}

/// Every acknowledged write is in the content that any quorum of the newest stable view leads to,
/// or was, as far as that content can tell.
pub(super) fn is_held(system: &impl Sight, recent: usize) -> bool {
    let nodes = system.nodes();
    let Some(view) = newest_view(&nodes) else { return true };
    if !view.is_stable() || system.history().acknowledged().is_empty() {
        return true;
    }
    let keys: BTreeSet<_> = nodes.iter().flat_map(|node| node.registers.keys()).collect();
    let mut effective = system.history().acknowledged().iter();
    effective.all(|id| {
        nodes.iter().any(|node| node.floors.version > 0)
            || keys.iter().any(|key| {
                quorums(&view.new, key).iter().all(|quorum| {
                    let members = nodes.iter().filter(|node| quorum.contains(&node.id));
                    let highest = members
                        .map(|node| node.register(key))
                        .max_by_key(|register| (register.accepted, register.content.version));
                    highest.is_some_and(|register| {
                        register.content.outcome(id).is_some()
                            || register.content.recent.len() >= recent
                    })
                })
            })
    })
}
