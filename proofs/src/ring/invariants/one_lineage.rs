//! Rystsov, "CASPaxos", arXiv 1802.07000, appendix A: of two chosen contents, one is made from the
//! other.

use super::{contents, judged, newest_view};
use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use chainring_model::ring::Ballot;
use chainring_model::ring::place::position;
use stateright::Property;
use std::collections::{BTreeMap, BTreeSet};

/// What is chosen is built upon by every higher ballot.
pub fn one_lineage<M: Mechanisms, const RECENT: usize>() -> Property<RingModel<M>> {
    Claim::OneLineage.always(|_, state: &State<M>| judged(&state.system, RECENT).one_lineage)
}

/// What a quorum holds here and now is chosen; whatever has a higher ballot must be made from it,
/// or be it.
pub fn is_one_lineage(system: &impl Sight, recent: usize) -> bool {
    let nodes = system.nodes();
    let Some(view) = newest_view(&nodes) else { return true };
    let keys: BTreeSet<_> = nodes.iter().flat_map(|node| node.registers.keys()).collect();
    let mut chosen = BTreeMap::new();
    for key in keys {
        for node in &nodes {
            let register = node.register(key);
            let ballot = register.accepted;
            let is_held = |id| {
                let of_this = nodes.iter().find(|node| node.id == id);
                of_this.is_some_and(|node| {
                    let register = node.register(key);
                    register.accepted == ballot && register.voted && !node.fetching
                })
            };
            if ballot > Ballot::default() && view.is_quorum(position(key), is_held) {
                chosen.insert((key.clone(), ballot), register.content);
            }
        }
    }
    contents(system, &nodes, |key, ballot, content| {
        let below = chosen.range((key.clone(), Ballot::default())..(key.clone(), ballot));
        below.map(|(_, chosen)| chosen).all(|chosen| {
            let last = chosen.recent.last().map(|(id, _)| id);
            content == chosen
                || (content.version > chosen.version
                    && (content.version - chosen.version >= recent as u64
                        || last.is_none_or(|last| content.outcome(last).is_some())))
        })
    })
}
