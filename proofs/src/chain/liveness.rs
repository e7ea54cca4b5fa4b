//! What ends in a chain, where the world is fair: see [`liveness`](crate::checker::liveness).
//!
//! | claim | open while |
//! |---|---|
//! | every operation ends | a script has not heard of all that it has to do |
//! | every learner becomes a member | a replica that is up is in no chain, and would be |
//! | every suspicion is decided | a coordinator suspects a member of the view that it follows |
//! | every view is known | a member of the newest view that is up, or a gateway, follows an older |
//!
//! What these models bound, beside crashes:
//!
//! - *suspicions* of live members, by the number of views; of members that are down, by nothing;
//! - *heartbeats of members*, which are numbered. Where announcements are certain, one heartbeat of
//!   each start is enough. Where each [may be lost](Absent::announcements) there are a few, any of
//!   which may be lost with its answer, and a last one, which is sent when no false suspicion can
//!   come any more: it stands for all that would come after it, and arrives again and again;
//! - *ballots*: a coordinator waits for its own proposal, whose view another ballot would not
//!   change. (There is one coordinator here. How several decide is asked of coordinators by
//!   themselves.)

use super::reductions::{awaits_end, measured};
use super::setup::{Absent, Client, Mortal, Setup, Since, Stored};
use super::world::{ChainModel, FIRST_EPOCH, ProofActor, System, newest};
use crate::checker::entry::{Entry, Steps};
use crate::checker::intern::Interned;
use crate::checker::liveness::{Deed, DeedOf, Fair};
use crate::checker::reduce::Pruning;
use crate::checker::state::CheckedState;
use crate::claim::Claim;
use crate::history::History;
use chainring_model::Mechanisms;
use chainring_model::chain::{ChainActor, ChainState, Msg, Report, Timer, View};
use chainring_model::coordinator;
use chainring_model::kv::Op;
use stateright::actor::{ActorModelAction, Id};
use std::sync::Arc;

type State<M> = CheckedState<ProofActor<M>, History>;

impl Setup {
    /// The model in which it is asked whether all ends, and what is asked.
    pub fn fair<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> (ChainModel<M>, Fair<ProofActor<M>, History>) {
        let mut model = self.model(mechanisms, Pruning::Senders);
        if self.coordinators > 0 {
            let this = self.clone();
            model = model.scope(move |system, action| this.is_fair_step(system, action));
            model = model.measured(measured);
        }
        if self.absent.announcements {
            // Other than elsewhere a heartbeat may be lost; a grant is swift still.
            model = model.local(|envelope| {
                let is_a_grant = matches!(envelope.msg, Msg::Views(coordinator::Msg::Lease(_)));
                is_a_grant
                    || matches!(envelope.msg, Msg::Opened(_) | Msg::Invoke(_) | Msg::Return(_))
            });
        }
        let this = self.clone();
        let mut fair = Fair::new(move |state: &State<M>, deed: &DeedOf<ProofActor<M>>| {
            this.is_due(&state.system, deed)
        });
        fair = fair.instant(|msg| matches!(msg, Msg::Views(coordinator::Msg::Ask(_))));
        let scripts: Arc<[ProofActor<M>]> = model.actors().to_vec().into();
        fair = fair.claim(Claim::OperationsEnd, move |state: &State<M>| {
            let states = scripts.iter().zip(&state.system.actor_states);
            !states.into_iter().all(|(actor, state)| match (actor, &**state) {
                (ChainActor::Script(script), ChainState::Script(state)) => {
                    script.is_finished(state)
                }
                _ => true,
            })
        });
        if self.coordinators > 0 && (self.views > 0 || self.may_members_crash()) {
            fair =
                fair.claim(Claim::SuspicionsEnd, |state: &State<M>| is_suspecting(&state.system));
        }
        if self.coordinators > 0 {
            fair = fair.claim(Claim::ViewsKnown, |state: &State<M>| is_one_behind(&state.system));
        }
        if self.joiners > 0 || self.views > 0 && !self.absent.crashed {
            let this = self.clone();
            fair = fair
                .claim(Claim::LearnersJoin, move |state: &State<M>| this.is_one_out(&state.system));
        }
        (model, fair)
    }

    /// Whether an action belongs to the model; see the [module](self).
    fn is_fair_step<M: Mechanisms>(
        &self,
        system: &System<M>,
        action: &ActorModelAction<Interned<Msg>, Timer, ()>,
    ) -> bool {
        let state = |id: Id| &*system.actor_states[usize::from(id)];
        match action {
            ActorModelAction::Deliver { dst, msg, .. } => match (state(*dst), &**msg) {
                (
                    ChainState::Coordinator(state),
                    Msg::Views(coordinator::Msg::Report(Report::Silent { .. })),
                ) => self.is_restless(&state.decided),
                _ => true,
            },
            ActorModelAction::Timeout(id, timer) => match (timer, state(*id)) {
                (Timer::Heartbeat, ChainState::Replica(state)) => {
                    let is_numbered =
                        state.view.chain.contains(id) || state.view.learner() == Some(*id);
                    let is_settled = || newest(system).is_some_and(|view| !self.is_restless(&view));
                    // The last one is for when nothing is suspected wrongly any more.
                    let (n, last) = (state.lease.n, self.heartbeats);
                    !is_numbered || n < last || n == last && is_settled()
                }
                (Timer::Follow, _) => self.absent.announcements,
                (Timer::Lapse(_), _) => {
                    self.view().coordinators.iter().any(|other| awaits_end(system, *other, *id))
                }
                (Timer::Views(timer), ChainState::Coordinator(state)) => match timer {
                    coordinator::Timer::Suspect(member) => {
                        let remains = |id: &Id| id != member && !state.suspects.contains(id);
                        let is_down = system.crashed[usize::from(*member)];
                        self.may_be_suspected(*member)
                            && state.proposal.is_none()
                            && state.decided.chain.iter().any(remains)
                            && (is_down || !self.absent.crashed && self.is_restless(&state.decided))
                    }
                    coordinator::Timer::Expire(member) => awaits_end(system, *id, *member),
                    coordinator::Timer::GiveUp => false, // a ring's
                    coordinator::Timer::Drive => state.proposal.is_none(),
                },
                _ => true,
            },
            ActorModelAction::Drop(_)
            | ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => true,
        }
    }

    fn may_members_crash(&self) -> bool {
        let are_mortal = matches!(self.mortal, Mortal::All | Mortal::Members | Mortal::Replicas);
        self.crashes > 0 && are_mortal
    }

    /// Whether there may still be a false suspicion, after this view.
    fn is_restless(&self, view: &View) -> bool {
        view.epoch < FIRST_EPOCH + self.views
    }

    fn may_be_suspected(&self, id: Id) -> bool {
        self.suspects.is_empty() || self.suspects.contains(&usize::from(id))
    }

    /// Whether something happens at last if it stays possible.
    fn is_due<M: Mechanisms>(&self, system: &System<M>, deed: &DeedOf<ProofActor<M>>) -> bool {
        use coordinator::{Msg::Heartbeat, Msg::Install, Timer::Suspect};
        match deed {
            Deed::Fires(_, Timer::Deadline(_)) | Deed::Crashes(_) => false,
            Deed::Fires(_, Timer::Views(Suspect(member))) => system.crashed[usize::from(*member)],
            Deed::Fires(..) => true,
            Deed::Recovers(id) => !self.absent.crashed || usize::from(*id) >= self.all_replicas(),
            // The last heartbeat stands for all that would come after it, and so arrives again and
            // again.
            Deed::Arrives(envelope) => {
                if let Msg::Views(Heartbeat(heartbeat)) = &*envelope.msg {
                    return heartbeat.n > self.heartbeats;
                }
                matches!(&*envelope.msg, Msg::Views(Install(_))) && !self.absent.announcements
            }
        }
    }

    /// Whether a replica that is up is in no chain.
    fn is_one_out<M: Mechanisms>(&self, system: &System<M>) -> bool {
        let Some(newest) = newest(system) else { return false };
        let mut replicas = (0..self.all_replicas()).map(Id::from);
        replicas.any(|id| !newest.chain.contains(&id) && !system.crashed[usize::from(id)])
    }
}

/// Whether a coordinator suspects a member of the view that it follows.
fn is_suspecting<M: Mechanisms>(system: &System<M>) -> bool {
    system.actor_states.iter().any(|state| match &**state {
        ChainState::Coordinator(state) => {
            state.suspects.iter().any(|id| state.decided.chain.contains(id))
        }
        ChainState::Stopped
        | ChainState::Replica(_)
        | ChainState::Gateway(_)
        | ChainState::Script(_) => false,
    })
}

/// Whether an actor that is up, and that the newest view concerns, follows an older one.
fn is_one_behind<M: Mechanisms>(system: &System<M>) -> bool {
    let Some(newest) = newest(system) else { return false };
    let concerns = |id: Id| newest.chain.contains(&id) || newest.learner() == Some(id);
    system.actor_states.iter().enumerate().any(|(id, state)| match &**state {
        ChainState::Replica(state) => concerns(Id::from(id)) && state.view.epoch < newest.epoch,
        ChainState::Gateway(state) => state.view.epoch < newest.epoch,
        ChainState::Stopped | ChainState::Coordinator(_) | ChainState::Script(_) => false,
    })
}

fn entry(name: &'static str, about: &'static str, setup: Setup) -> Entry<Setup> {
    Entry { steps: Steps::Fair, ..Entry::new(name, about, setup) }
}

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

/// The models in which it is asked whether all ends.
pub fn models() -> Vec<Entry<Setup>> {
    let one = || Client::new([Op::Increment(1)]);
    let announcements = Absent { announcements: true, crashed: false };
    let crashed = Absent { announcements: false, crashed: true };
    vec![
        entry(
            "ends-chain",
            "any message may be lost, and any actor may crash and come back: every operation ends",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]), Client::new([put("a")])])
                .crashes(1, Mortal::All),
        ),
        entry(
            "ends-chain-three",
            "the same with three replicas, whose middle one neither logs first nor commits",
            Setup::new(3, [Client::new([Op::Increment(1), Op::Get]).near(1)])
                .crashes(1, Mortal::All),
        ),
        entry(
            "ends-chain-full",
            "windows of one entry: what does not fit is asked for again, and fits",
            Setup { window: Some(1), ..Setup::new(2, [one(), one()]) },
        ),
        entry(
            "ends-chain-views",
            "a member is suspected wrongly, is removed, and becomes a member again",
            Setup::new(2, [one()]).views(1, 1).retaining(8),
        ),
        entry(
            "ends-chain-gone",
            "a member crashes and need not come back: it is suspected, and removed",
            Setup { absent: crashed, ..Setup::new(3, [one()]) }
                .views(1, 1)
                .crashes(1, Mortal::Replicas),
        ),
        entry(
            "ends-chain-told",
            "announcements of views are lost: heartbeats and questions of gateways bring them",
            Setup { absent: announcements, ..Setup::new(2, [one()]) }
                .views(1, 1)
                .suspects([1])
                .retaining(8),
        ),
        entry(
            "ends-grow",
            "a learner fetches rows and changes, and it, the tail or the coordinator crashes",
            Setup::new(1, [one()])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 0)
                .crashes(1, Mortal::Members),
        ),
        entry(
            "ends-grow-join",
            "a replica in no view asks to join, learns, and becomes a member",
            Setup::new(1, [one()]).joining(1).views(1, 0).crashes(1, Mortal::Coordinators),
        ),
        entry(
            "ends-return",
            "a member that was away goes on where it was, and becomes a member",
            Setup::new(1, [one()])
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 0)
                .crashes(1, Mortal::Members),
        ),
    ]
}
