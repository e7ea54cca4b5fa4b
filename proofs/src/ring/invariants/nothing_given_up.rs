//! Views are decided by a majority (Lamport, "Paxos Made Simple"), and so is what they give up.

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use crate::ring::world::{decided, nodes};
use chainring_model::Mechanisms;
use stateright::Property;

/// One coordinator does not speak for all: no actor has heard of a view in which a node is given
/// up.
pub fn nothing_given_up<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::NothingGivenUp.always(|_, state: &State<M>| {
        let mut stores = state.system.actor_storages.iter().flatten();
        let decided_none = stores.all(|store| decided(store).is_none_or(|it| it.lost.is_empty()));
        decided_none && nodes(&state.system).iter().all(|node| node.view.lost.is_empty())
    })
}
