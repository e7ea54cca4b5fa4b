//! Rystsov, "CASPaxos", arXiv 1802.07000, on how records are deleted.

use crate::claim::Claim;
use crate::ring::world::nodes;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use chainring_model::ring::Ballot;
use stateright::Property;

/// Purge never resurrects: of the one key that a model is about, nothing is left, nor comes back,
/// below the ballot of a tombstone that a node has purged.
pub fn gone_for_good<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::GoneForGood.always(|_, state: &State<M>| {
        let nodes = nodes(&state.system);
        let floor = nodes.iter().map(|node| node.floors.ballot).max().unwrap_or_default();
        let mut registers = nodes.iter().flat_map(|node| node.registers.values());
        registers.all(|it| it.accepted == Ballot::default() || it.accepted >= floor)
    })
}
