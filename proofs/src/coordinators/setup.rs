//! Coordinators by themselves, as values: is one view decided an epoch?
//!
//! The members of the views are no actors: no heartbeat comes, so any of them may be suspected at
//! any time, each by one proposer, and the proposers duel over every epoch.

use super::invariants::of_coordinators;
use super::world::{
    CoordinatorsModel, FIRST_EPOCH, ProofActor, ProofStore, State, states, witness,
};
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::history::Decisions;
use chainring_model::Mechanisms;
use chainring_model::chain::View;
use chainring_model::coordinator::msg::Accept;
use chainring_model::coordinator::{Ballot, Coordinator, Msg, Timeouts, Timer};
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::fmt::{self, Display, Formatter};

/// A system to check.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many coordinators.
    pub coordinators: usize,
    /// How many of them propose. Each wants to remove a member of its own.
    pub proposers: usize,
    /// How many epochs they decide, at the most: as many as propose, or fewer.
    pub epochs: u64,
    /// How many rounds of ballots there are in an epoch, at the most.
    pub rounds: u32,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
}

impl Setup {
    /// The member that the proposer at this place suspects.
    pub(super) fn suspect(&self, proposer: usize) -> Id {
        Id::from(self.coordinators + proposer)
    }

    fn first_view(&self) -> View {
        let members = 0..=self.proposers; // one more than can be removed
        let members = members.map(|place| self.suspect(place)).collect();
        View::new(FIRST_EPOCH, members).decided_by((0..self.coordinators).map(Id::from).collect())
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
                let is_within = |promised: Ballot| promised.round < this.rounds;
                state.decided.epoch < FIRST_EPOCH + this.epochs
                    && (is_first || state.promised.is_none_or(is_within))
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
                            Msg::Accept(Accept { view, .. }) => dst == *id && waits(view),
                            Msg::Heartbeat(_)
                            | Msg::Lease(_)
                            | Msg::Ask(_)
                            | Msg::Install(_)
                            | Msg::Report(_)
                            | Msg::Prepare(_)
                            | Msg::Promise(_)
                            | Msg::Accepted(_) => false,
                        },
                    )
            }
            ActorModelAction::Deliver { .. }
            | ActorModelAction::Drop(_)
            | ActorModelAction::Timeout(..)
            | ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => true,
        });
        of_coordinators().into_iter().chain(self.reached()).fold(model, Checked::property)
    }

    /// Whether a run may end here: all are up, and know every epoch to be decided.
    pub fn is_finished<M: Mechanisms>(&self, state: &State<M>) -> bool {
        let last = FIRST_EPOCH + self.epochs;
        states(state).filter(|state| state.decided.epoch >= last).count() == self.coordinators
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Setup { coordinators, proposers, epochs, rounds, crashes } = self;
        let s = if *epochs == 1 { "" } else { "s" };
        write!(
            f,
            "{coordinators} coordinators, {proposers} of them propose, {epochs} epoch{s}, at most \
             {rounds} rounds each, duplicating network"
        )?;
        if *crashes > 0 {
            let s = if *crashes == 1 { "" } else { "es" };
            write!(f, ", {crashes} crash{s} of any with recovery")?;
        }
        Ok(())
    }
}
