//! What coordinators by themselves must be able to reach, so that no property holds because nothing
//! happened.

use super::world::{CoordinatorsModel, State, states};
use chainring_model::Mechanisms;
use chainring_model::chain::View;
use chainring_model::coordinator::StateOf;
use stateright::Property;

/// All of it, as properties.
pub fn reached<M: Mechanisms>() -> Vec<Property<CoordinatorsModel<M>>> {
    vec![
        Property::sometimes("two epochs are decided, and known to all", |_, state: &State<M>| {
            let known = |state: &StateOf<View, _>| state.decided.epoch >= 3;
            states(state).all(known)
        }),
        Property::sometimes("a proposer takes up another's vote", |_, state: &State<M>| {
            states(state).any(|coordinator| {
                let proposed = coordinator.proposal.as_ref().and_then(|this| this.view.as_ref());
                proposed.is_some_and(|view| {
                    coordinator.suspects.iter().all(|suspect| view.chain.contains(suspect))
                })
            })
        }),
        Property::sometimes("a ballot is overtaken", |_, state: &State<M>| {
            states(state).any(|coordinator| {
                let ballot = coordinator.proposal.as_ref().map(|proposal| proposal.ballot);
                ballot.is_some() && ballot < coordinator.promised
            })
        }),
        Property::sometimes("the recovered have decided", |_, state: &State<M>| {
            state.crashes > 0
                && state.system.crashed.iter().all(|crashed| !crashed)
                && states(state).all(|coordinator| coordinator.decided.epoch >= 3)
        }),
    ]
}
