//! Coordinators by themselves, as values: is one view decided an epoch?
//!
//! The members of the views are nobody: no heartbeat comes, so any of them may be suspected at any time,
//! each by one proposer, and the proposers duel over every epoch.

use crate::checker::intern::Interned;
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::checker::state::CheckedState;
use crate::checker::state::System;
use crate::history::Decisions;
use chainring_model::chain::View;
use chainring_model::coordinator::{self, Coordinator, Key, Msg, Row, StateOf, Timeouts, Timer};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::Property;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::fmt::{self, Display, Formatter};

/// A coordinator's store in proofs.
pub type ProofStore = MapStore<Key, Row<View>>;

/// A coordinator as it is checked.
pub type ProofActor<M = Intact> = Coordinator<View, ProofStore, M>;

/// A model of coordinators by themselves.
pub type CoordinatorsModel<M = Intact> = Checked<ProofActor<M>, Decisions>;

type Claim<M> = Property<CoordinatorsModel<M>>;

/// A system to check.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many coordinators.
    pub coordinators: usize,
    /// How many of them propose. Each wants to remove a member of its own, so they also decide as many
    /// epochs.
    pub proposers: usize,
    /// How many rounds of ballots there are in an epoch, at the most.
    pub rounds: u32,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
}

impl Setup {
    /// The member that the proposer at this place suspects.
    fn suspect(&self, proposer: usize) -> Id {
        Id::from(self.coordinators + proposer)
    }

    fn first_view(&self) -> View {
        let members = 0..=self.proposers; // one more than can be removed
        let members = members.map(|place| self.suspect(place)).collect();
        View::new(1, members).decided_by((0..self.coordinators).map(Id::from).collect())
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> CoordinatorsModel<M> {
        let ids = (0..self.coordinators).map(Id::from);
        let mut model =
            Checked::new(Decisions::default()).crashes(self.crashes, ids).pruning(pruning);
        for _ in 0..self.coordinators {
            let mut store = ProofStore::default();
            ProofActor::init(&mut store, self.first_view());
            let timeouts = Timeouts::default();
            let coordinator = Coordinator::with(Vec::new(), timeouts, mechanisms.clone());
            model = model.actor(coordinator, Some(store));
        }
        let this = self.clone();
        let model = model.witness(witness).scope(move |system, action| match action {
            ActorModelAction::Timeout(id, Timer::Suspect(member)) => {
                let place = usize::from(*id);
                place < this.proposers && *member == this.suspect(place)
            }
            ActorModelAction::Timeout(id, Timer::Drive) => {
                let Some(state) = &*system.actor_states[usize::from(*id)] else { return false };
                let is_first = state.proposal.is_none() && state.accepted.is_none();
                is_first || state.promised.is_none_or(|promised| promised.round < this.rounds)
            }
            // A grant that ends matters to votes only, so it may as well end when one waits for it.
            ActorModelAction::Timeout(id, Timer::Expire(member)) => {
                let Some(state) = &*system.actor_states[usize::from(*id)] else { return false };
                let waits = |view: &View| {
                    view.epoch == state.decided.epoch + 1 && !view.chain.contains(member)
                };
                state
                    .proposal
                    .as_ref()
                    .and_then(|proposal| proposal.view.as_ref())
                    .is_some_and(waits)
                    || system.network.iter_deliverable().any(
                        |Envelope { dst, msg, .. }| match msg {
                            Msg::Accept { view, .. } => dst == *id && waits(view),
                            _ => false,
                        },
                    )
            }
            _ => true,
        });
        properties().into_iter().fold(model, Checked::property)
    }
}

fn states<M: Mechanisms>(
    state: &CheckedState<ProofActor<M>, Decisions>,
) -> impl Iterator<Item = &StateOf<View, ProofStore>> {
    state.system.actor_states.iter().filter_map(|state| Interned::get(*state).as_ref())
}

/// What a step does to views.
fn witness<M: Mechanisms, Msg>(
    before: &System<ProofActor<M>, Decisions>,
    _: &ActorModelAction<Msg, Timer, ()>,
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

/// What is claimed, and what must be reachable.
fn properties<M: Mechanisms>() -> [Claim<M>; 7] {
    [
        Claim::<M>::always("one view an epoch", |_, state| state.system.history.are_unique()),
        Claim::<M>::always("epochs never go back", |_, state| state.system.history.advance()),
        Claim::<M>::always("durable", |_, state| {
            let actors = state.system.actor_states.iter().zip(&state.system.actor_storages);
            let mut up =
                actors.filter_map(|(state, saved)| Some((Interned::get(*state).as_ref()?, saved)));
            up.all(|(state, saved)| {
                let vote = match state.store.get_vote() {
                    Some((promised, accepted)) => (Some(promised), accepted),
                    None => (None, None),
                };
                saved.as_deref() == Some(&state.store)
                    && vote == (state.promised, state.accepted.clone())
            })
        }),
        Claim::<M>::sometimes("two epochs are decided, and known to all", |_, state| {
            let known = |state: &StateOf<View, _>| state.decided.epoch >= 3;
            states(state).all(known)
        }),
        Claim::<M>::sometimes("a proposer takes up another's vote", |_, state| {
            states(state).any(|coordinator| {
                let proposed = coordinator.proposal.as_ref().and_then(|this| this.view.as_ref());
                proposed.is_some_and(|view| {
                    coordinator.suspects.iter().all(|suspect| view.chain.contains(suspect))
                })
            })
        }),
        Claim::<M>::sometimes("a ballot is overtaken", |_, state| {
            states(state).any(|coordinator| {
                let ballot = coordinator.proposal.as_ref().map(|proposal| proposal.ballot);
                ballot.is_some() && ballot < coordinator.promised
            })
        }),
        Claim::<M>::sometimes("the recovered have decided", |_, state| {
            state.crashes > 0
                && state.system.crashed.iter().all(|crashed| !crashed)
                && states(state).all(|coordinator| coordinator.decided.epoch >= 3)
        }),
    ]
}

/// Reading a vote from a store.
trait Votes {
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

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Setup { coordinators, proposers, rounds, crashes } = self;
        write!(
            f,
            "{coordinators} coordinators, {proposers} of them propose, {proposers} epochs, at most \
             {rounds} rounds each, duplicating network"
        )?;
        if *crashes > 0 {
            let s = if *crashes == 1 { "" } else { "es" };
            write!(f, ", {crashes} crash{s} of any with recovery")?;
        }
        Ok(())
    }
}
