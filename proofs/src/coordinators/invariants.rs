//! What must hold of coordinators by themselves: of one instance of consensus, one view is decided.
//!
//! | property | source |
//! |---|---|
//! | [`one_view`] | Lamport, "Paxos Made Simple" (2001) |
//! | [`epochs_advance`] | van Renesse & Guerraoui, "Replication Techniques for Availability" (2010), section 5 |
//! | [`durable`] | Lamport, "Paxos Made Simple", section 2.5: acceptors answer from stable storage |

use super::world::{CoordinatorsModel, State, Votes};
use crate::checker::intern::Interned;
use crate::claim::Claim;
use chainring_model::Mechanisms;
use stateright::Property;
use stateright::actor::Id;

/// Every property of coordinators by themselves.
pub fn of_coordinators<M: Mechanisms>() -> Vec<Property<CoordinatorsModel<M>>> {
    vec![one_view(), epochs_advance(), durable()]
}

/// Lamport, "Paxos Made Simple" (2001): of one instance, one value is chosen; an epoch is an
/// instance.
pub fn one_view<M: Mechanisms>() -> Property<CoordinatorsModel<M>> {
    Claim::OneView.always(|_, state: &State<M>| state.system.history.are_unique())
}

/// No coordinator goes back to an older view, also not by a crash.
pub fn epochs_advance<M: Mechanisms>() -> Property<CoordinatorsModel<M>> {
    Claim::EpochsAdvance.always(|_, state: &State<M>| state.system.history.advance())
}

/// What a coordinator promised, and what it voted for, is what it has saved.
pub fn durable<M: Mechanisms>() -> Property<CoordinatorsModel<M>> {
    Claim::Durable.always(|_, state: &State<M>| {
        let actors = state.system.actor_states.iter().zip(&state.system.actor_storages);
        let whole = actors.enumerate().filter(|(id, _)| !state.is_mid_step(Id::from(*id)));
        let mut up =
            whole.filter_map(|(_, (state, saved))| Some((Interned::get(*state).as_ref()?, saved)));
        up.all(|(state, saved)| {
            let vote = match state.store.get_vote() {
                Some((promised, accepted)) => (Some(promised), accepted),
                None => (None, None),
            };
            saved.as_deref() == Some(&state.store)
                && vote == (state.promised, state.accepted.clone())
        })
    })
}
