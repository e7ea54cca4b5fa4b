//! What properties of coordinators by themselves look at.

use crate::checker::intern::Interned;
use crate::checker::model::Checked;
use crate::checker::state::{CheckedState, System};
use crate::history::Decisions;
use chainring_model::chain::View;
use chainring_model::coordinator::{self, Coordinator, Key, Row, StateOf, Timer};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::actor::ActorModelAction;

/// The epoch of the view that models begin with.
pub(super) const FIRST_EPOCH: u64 = 1;

/// A coordinator's store in proofs.
pub type ProofStore = MapStore<Key, Row<View>>;

/// A coordinator as it is checked.
pub type ProofActor<M = Intact> = Coordinator<View, ProofStore, M>;

/// A model of coordinators by themselves.
pub type CoordinatorsModel<M = Intact> = Checked<ProofActor<M>, Decisions>;

/// A state of it.
pub type State<M = Intact> = CheckedState<ProofActor<M>, Decisions>;

/// The coordinators that are up.
pub fn states<M: Mechanisms>(state: &State<M>) -> impl Iterator<Item = &StateOf<View, ProofStore>> {
    state.system.actor_states.iter().filter_map(|state| Interned::get(*state).as_ref())
}

/// What a step does to views.
pub fn witness<M: Mechanisms, Msg>(
    before: &System<ProofActor<M>, Decisions>,
    _: Option<&ActorModelAction<Msg, Timer, ()>>,
    after: &System<ProofActor<M>, Decisions>,
) -> Option<Decisions> {
    let decided = |saved: &Option<Interned<ProofStore>>| match saved
        .as_ref()
        .and_then(|store| store.get(&Key::Decided))
    {
        Some(Row::Decided(view)) => Some(view),
        _ => None,
    };
    let mut decisions = after.history.clone();
    for (before, after) in before.actor_storages.iter().zip(&after.actor_storages) {
        if let (true, Some(before), Some(after)) =
            (before != after, decided(before), decided(after))
        {
            decisions.decide(&before, &after);
        }
    }
    let epochs = after.actor_storages.iter().filter_map(|saved| Some(decided(saved)?.epoch));
    decisions.forget(epochs.min().unwrap_or(0));
    (decisions != after.history).then_some(decisions)
}

/// Reading a vote from a store.
pub trait Votes {
    /// The ballot that is promised, and the vote that is given, if one is.
    fn get_vote(&self) -> Option<(coordinator::Ballot, Option<(coordinator::Ballot, View)>)>;
}

impl Votes for ProofStore {
    fn get_vote(&self) -> Option<(coordinator::Ballot, Option<(coordinator::Ballot, View)>)> {
        match self.get(&Key::Vote) {
            Some(Row::Vote { promised, accepted }) => Some((promised, accepted)),
            _ => None,
        }
    }
}
