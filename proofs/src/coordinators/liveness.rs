//! What ends among coordinators by themselves, where the world is fair: see
//! [`liveness`](crate::checker::liveness).
//!
//! *Every suspicion is decided*: it is open while a coordinator that is up suspects a member of the
//! view that it follows. No heartbeat comes here, so none is refuted. *Every vote is decided*: it
//! is open while a coordinator that is up has voted, and follows the view before. A suspicion need
//! not come, nor come again after a crash.
//!
//! A ballot is never sent again; another one does what that would. So there are so many rounds, and
//! any message of them may be lost, but for those of the last round, which are certain, and no
//! crash comes after that has begun. Two coordinators that each begin a ballot before the other
//! one's ends may do so for ever, and no fairness forbids it: that one of them is let through at
//! last, by the random time that each waits, is what the last round stands for. In it, too, several
//! coordinators may begin ballots; the highest of these cannot be overtaken.

use super::setup::Setup;
use super::world::{CoordinatorsModel, ProofActor, State, states};
use crate::checker::entry::{Entry, Steps};
use crate::checker::liveness::{Deed, DeedOf, Fair};
use crate::checker::reduce::Pruning;
use crate::checker::state::System;
use crate::claim::Claim;
use crate::history::Decisions;
use chainring_model::Mechanisms;
use chainring_model::coordinator::{Msg, Timer};
use stateright::actor::ActorModelAction;

impl Setup {
    /// The model in which it is asked whether all ends, and what is asked.
    pub fn fair<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> (CoordinatorsModel<M>, Fair<ProofActor<M>, Decisions>) {
        let (this, that) = (self.clone(), self.clone());
        let model =
            self.model(mechanisms, Pruning::Senders).scope(move |system, action| match action {
                ActorModelAction::Timeout(id, Timer::Suspect(member)) => {
                    let place = usize::from(*id);
                    place < this.proposers && *member == this.suspect(place)
                }
                ActorModelAction::Timeout(id, Timer::Drive) => {
                    let Some(state) = &*system.actor_states[usize::from(*id)] else { return false };
                    state.promised.is_none_or(|promised| promised.round < this.rounds)
                }
                ActorModelAction::Crash(_) => !this.is_last_round(system),
                ActorModelAction::Timeout(_, Timer::Expire(_) | Timer::GiveUp)
                | ActorModelAction::Deliver { .. }
                | ActorModelAction::Drop(_)
                | ActorModelAction::Recover(_)
                | ActorModelAction::SelectRandom { .. } => true,
            });
        let fair =
            Fair::new(move |_: &State<M>, deed: &DeedOf<ProofActor<M>>| that.is_due::<M>(deed));
        let fair = fair.claim(Claim::SuspicionsEnd, |state: &State<M>| {
            states(state)
                .any(|state| state.suspects.iter().any(|id| state.decided.chain.contains(id)))
        });
        let fair = fair.claim(Claim::VotesDecided, |state: &State<M>| {
            states(state).any(|state| state.accepted.is_some())
        });
        let fair = fair.claim(Claim::ViewsKnown, |state: &State<M>| {
            let newest = states(state).map(|state| state.decided.epoch).max();
            states(state).any(|state| Some(state.decided.epoch) < newest)
        });
        (model, fair)
    }

    /// Whether a ballot of the last round has begun, in the newest epoch.
    fn is_last_round<M: Mechanisms>(&self, system: &System<ProofActor<M>, Decisions>) -> bool {
        let mut up = system.actor_states.iter().filter_map(|state| state.as_ref());
        up.any(|state| state.promised.is_some_and(|promised| promised.round >= self.rounds))
    }

    /// Whether something happens at last if it stays possible.
    fn is_due<M: Mechanisms>(&self, deed: &DeedOf<ProofActor<M>>) -> bool {
        match deed {
            Deed::Crashes(_) | Deed::Fires(_, Timer::Suspect(_)) => false,
            Deed::Fires(..) | Deed::Recovers(_) => true,
            Deed::Arrives(envelope) => match &*envelope.msg {
                Msg::Install(_) => true,
                Msg::Prepare(prepare) => prepare.ballot.round >= self.rounds,
                Msg::Promise(promise) => promise.ballot.round >= self.rounds,
                Msg::Accept(accept) => accept.ballot.round >= self.rounds,
                Msg::Accepted(accepted) => accepted.ballot.round >= self.rounds,
                Msg::Heartbeat(_) | Msg::Lease(_) | Msg::Ask(_) | Msg::Report(_) => false,
            },
        }
    }
}

/// The models in which it is asked whether all ends.
pub fn models() -> Vec<Entry<Setup>> {
    let setup =
        |rounds, crashes| Setup { coordinators: 3, proposers: 1, epochs: 1, rounds, crashes };
    let entry = |name, about, setup| Entry { steps: Steps::Fair, ..Entry::new(name, about, setup) };
    vec![
        entry(
            "ends-council",
            "one of three coordinators suspects; all messages but the last round's may be lost",
            setup(2, 0),
        ),
        entry(
            "ends-council-crash",
            "the same with a crash of any coordinator that is over before the last round",
            setup(2, 1),
        ),
    ]
}
