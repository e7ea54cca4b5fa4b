//! RIFL (Lee et al., SOSP '15): an operation is not executed twice.

use super::{contents, judged};
use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;
use std::collections::BTreeSet;

/// No operation is twice in a content.
pub fn at_most_once<M: Mechanisms, const RECENT: usize>() -> Property<RingModel<M>> {
    Claim::AtMostOnce.always(|_, state: &State<M>| judged(&state.system, RECENT).at_most_once)
}

/// Whether no content remembers an operation twice.
pub fn is_at_most_once(system: &impl Sight) -> bool {
    contents(system, &system.nodes(), |_, _, content| {
        let mut seen = BTreeSet::new();
        content.recent.iter().all(|(id, _)| seen.insert(id))
    })
}
