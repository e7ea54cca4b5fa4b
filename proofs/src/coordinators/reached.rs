//! What coordinators by themselves must be able to reach, so that no property holds because nothing
//! happened.

use super::setup::Setup;
use super::world::{CoordinatorsModel, FIRST_EPOCH, State, states};
use crate::checker::intern::Interned;
use chainring_model::Mechanisms;
use chainring_model::chain::View;
use chainring_model::coordinator::Msg;
use chainring_model::coordinator::msg::Promise;
use stateright::Property;
use stateright::actor::Envelope;

impl Setup {
    /// All of it that a model of this size reaches, as properties.
    pub(super) fn reached<M: Mechanisms>(&self) -> Vec<Property<CoordinatorsModel<M>>> {
        let decided = match self.epochs {
            1 => Property::sometimes("an epoch is decided, and known to all", all_know::<M, 1>),
            _ => Property::sometimes("two epochs are decided, and known to all", all_know::<M, 2>),
        };
        let mut reached = vec![
            decided,
            Property::sometimes("a proposer takes up another's vote", takes_up),
            Property::sometimes("a ballot is overtaken", is_overtaken),
        ];
        if self.rounds > 1 && self.proposers > 1 {
            reached.push(Property::sometimes("a majority shows two votes", shows_two_votes));
        }
        if self.crashes > 0 {
            let name = "the recovered have decided";
            reached.push(match self.epochs {
                1 => Property::sometimes(name, has_recovered::<M, 1>),
                _ => Property::sometimes(name, has_recovered::<M, 2>),
            });
        }
        reached
    }
}

/// Whether every coordinator that is up knows so many epochs to be decided.
fn all_know<M: Mechanisms, const EPOCHS: u64>(_: &CoordinatorsModel<M>, state: &State<M>) -> bool {
    states(state).all(|coordinator| coordinator.decided.epoch >= FIRST_EPOCH + EPOCHS)
}

/// Whether a coordinator proposes a view that is not of its own wishes.
fn takes_up<M: Mechanisms>(_: &CoordinatorsModel<M>, state: &State<M>) -> bool {
    states(state).any(|coordinator| {
        let proposed = coordinator.proposal.as_ref().and_then(|this| this.view.as_ref());
        proposed.is_some_and(|view| {
            coordinator.suspects.iter().all(|suspect| view.chain.contains(suspect))
        })
    })
}

/// Whether a coordinator that proposes has promised a higher ballot.
fn is_overtaken<M: Mechanisms>(_: &CoordinatorsModel<M>, state: &State<M>) -> bool {
    states(state).any(|coordinator| {
        let ballot = coordinator.proposal.as_ref().map(|proposal| proposal.ballot);
        ballot.is_some() && ballot < coordinator.promised
    })
}

/// Whether a proposer has a promise with a vote, and the one that makes a majority is under way to
/// it with a vote for another view.
fn shows_two_votes<M: Mechanisms>(model: &CoordinatorsModel<M>, state: &State<M>) -> bool {
    let majority = model.actors().len() / 2 + 1;
    let actors = state.system.actor_states.iter();
    let proposers = actors.enumerate().filter_map(|(place, state)| {
        Some((place, Interned::get(*state).as_ref()?.proposal.as_ref()?))
    });
    let mut begun = proposers
        .filter(|(_, proposal)| proposal.view.is_none() && proposal.promises.len() + 1 == majority);
    begun.any(|(place, proposal)| {
        let differs = |other: &View| {
            let mut shown = proposal.promises.values().flatten();
            shown.any(|(_, view)| view != other)
        };
        state.system.network.iter().any(|Envelope { src, dst, msg }| {
            let Msg::Promise(Promise { ballot, accepted: Some((_, view)), .. }) = &**msg else {
                return false;
            };
            usize::from(*dst) == place
                && *ballot == proposal.ballot
                && !proposal.promises.contains_key(src)
                && differs(view)
        })
    })
}

/// Whether after a crash everyone is up, and knows so many epochs to be decided.
fn has_recovered<M: Mechanisms, const EPOCHS: u64>(
    model: &CoordinatorsModel<M>,
    state: &State<M>,
) -> bool {
    state.crashes > 0
        && state.system.crashed.iter().all(|crashed| !crashed)
        && all_know::<M, EPOCHS>(model, state)
}
