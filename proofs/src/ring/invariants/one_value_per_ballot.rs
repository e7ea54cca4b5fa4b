//! Rystsov, "CASPaxos", arXiv 1802.07000, section 2.2: a ballot is of one proposer, which proposes
//! one value with it.

use super::{contents, judged};
use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;
use std::collections::BTreeMap;

/// A ballot of a key stands for one content, wherever it is.
pub fn one_value_per_ballot<M: Mechanisms, const RECENT: usize>() -> Property<RingModel<M>> {
    Claim::OneValuePerBallot
        .always(|_, state: &State<M>| judged(&state.system, RECENT).one_value_per_ballot)
}

/// Whether no ballot of a key stands for two contents.
pub fn is_one_value_per_ballot(system: &impl Sight) -> bool {
    let mut known = BTreeMap::new();
    contents(system, &system.nodes(), |key, ballot, content| {
        let first = known.entry((key.clone(), ballot)).or_insert_with(|| content.clone());
        first == content
    })
}
