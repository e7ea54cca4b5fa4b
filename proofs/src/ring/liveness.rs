//! What ends in a ring, where the world is fair: see [`liveness`](crate::checker::liveness).
//!
//! | claim | open while |
//! |---|---|
//! | every operation ends | a script has not heard of all it has to do (of rivals, and has attempts) |
//! | every joint view becomes stable | the newest view is joint |
//! | every view is known | a node or gateway that is up follows an older view than the newest |
//! | every node that would join does | a node that is up is in no ring, and would be |
//!
//! Nothing here that is sent again has a new number: nodes and gateways ask for views, and
//! newcomers for registers, with the same words. So announcements may be lost, as everything may.
//! What these models bound, beside crashes, is reports of nodes that are gone, by the number of
//! views; and, where gateways are rivals, their attempts. An oracle need not begin a joint view,
//! and has to end one.

use super::setup::{Client, Mortal, Planted, Setup};
use super::world::{Action, EPOCH, ProofActor, RingModel, State, System, decided, installed};
use crate::checker::entry::{Entry, Steps};
use crate::checker::liveness::{Deed, DeedOf, Fair};
use crate::checker::reduce::Pruning;
use crate::claim::Claim;
use crate::history::History;
use chainring_model::Mechanisms;
use chainring_model::coordinator;
use chainring_model::kv::Op;
use chainring_model::ring::{Msg, Report, RingActor, RingState, Timer, View};
use stateright::actor::{ActorModelAction, Id};
use std::sync::Arc;

impl Setup {
    /// The model in which it is asked whether all ends, and what is asked.
    pub fn fair<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> (RingModel<M>, Fair<ProofActor<M>, History>) {
        let this = self.clone();
        let model = self
            .model(mechanisms, Pruning::Senders)
            .scope(move |system, action| this.is_fair_step(system, action));
        let this = self.clone();
        let mut fair = Fair::new(move |state: &State<M>, deed: &DeedOf<ProofActor<M>>| {
            this.is_due(&state.system, deed)
        });
        fair =
            fair.instant(|msg| matches!(msg, Msg::Views(coordinator::Msg::Ask(_)) | Msg::Fetch(_)));
        let actors: Arc<[ProofActor<M>]> = model.actors().to_vec().into();
        if !self.clients.is_empty() {
            fair = fair
                .claim(Claim::OperationsEnd, move |state: &State<M>| is_waiting(&actors, state));
        }
        if !self.plan.is_empty() || self.coordinators > 0 {
            fair = fair.claim(Claim::JointViewsEnd, |state: &State<M>| {
                newest(&state.system).is_some_and(|view| !view.is_stable())
            });
            fair = fair.claim(Claim::ViewsKnown, |state: &State<M>| is_one_behind(&state.system));
        }
        if self.coordinators > 0 && self.leaver.is_none() {
            let nodes = self.nodes;
            fair = fair.claim(Claim::LearnersJoin, move |state: &State<M>| {
                let Some(newest) = newest(&state.system) else { return false };
                let is_out = |id: Id| !newest.new.has(id) && !state.system.crashed[usize::from(id)];
                (0..nodes).map(Id::from).any(is_out)
            });
        }
        (model, fair)
    }

    /// Whether an action belongs to the model; see the [module](self).
    fn is_fair_step<M: Mechanisms>(&self, system: &System<M>, action: &Action) -> bool {
        let state = |id: &Id| &*system.actor_states[usize::from(*id)];
        match action {
            ActorModelAction::Timeout(id, Timer::Views(_)) => {
                matches!(state(id), RingState::Coordinator(state) if state.proposal.is_none())
            }
            ActorModelAction::Deliver { dst, msg, .. } => match (state(dst), &**msg) {
                (
                    RingState::Coordinator(state),
                    Msg::Views(coordinator::Msg::Report(Report::Members { .. })),
                ) => state.decided.epoch < EPOCH + self.views,
                _ => true,
            },
            ActorModelAction::Timeout(..)
            | ActorModelAction::Drop(_)
            | ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => true,
        }
    }

    /// Whether something happens at last if it stays possible. A node need not come back where a
    /// majority is left without it.
    fn is_due<M: Mechanisms>(&self, system: &System<M>, deed: &DeedOf<ProofActor<M>>) -> bool {
        match deed {
            Deed::Fires(id, Timer::Decide(_)) => {
                let state = &*system.actor_states[usize::from(*id)];
                matches!(state, RingState::Oracle(state) if !state.view.is_stable())
            }
            Deed::Recovers(id) => self.ring.len() < 3 || usize::from(*id) >= self.nodes,
            Deed::Fires(_, Timer::Deadline(_)) | Deed::Crashes(_) | Deed::Arrives(_) => false,
            Deed::Fires(..) => true,
        }
    }
}

/// Whether a script has not heard of all that it has to do, and what it waits for has an attempt
/// left, if it has rivals.
fn is_waiting<M: Mechanisms>(actors: &[ProofActor<M>], state: &State<M>) -> bool {
    let states = &state.system.actor_states;
    let gateways = actors.iter().filter(|actor| matches!(actor, RingActor::Gateway(_)));
    let has_rivals = gateways.count() > 1;
    let has_given_up = |gateway: Id, lane: u32| match (
        &actors[usize::from(gateway)],
        &*states[usize::from(gateway)],
    ) {
        (RingActor::Gateway(actor), RingState::Gateway(state)) => {
            let lane = state.lanes.get(&lane);
            let pending = lane.and_then(|lane| lane.pending.as_ref());
            pending.is_some_and(|pending| actor.is_given_up(pending))
        }
        _ => false,
    };
    actors.iter().zip(states).any(|(actor, state)| match (actor, &**state) {
        (RingActor::Script(script), RingState::Script(state)) => {
            let is_given_up = has_rivals && has_given_up(script.gateway, script.lane);
            !(script.is_finished(state) || is_given_up)
        }
        _ => false,
    })
}

/// The newest view that is decided, as far as any actor has saved.
fn newest<M: Mechanisms>(system: &System<M>) -> Option<View> {
    let stores = system.actor_storages.iter().flatten();
    let saved = stores.filter_map(|store| installed(store).or_else(|| decided(store)));
    let told = system.actor_states.iter().filter_map(|state| {
        let RingState::Oracle(state) = &**state else { return None };
        Some(state.view.clone())
    });
    saved.chain(told).max_by_key(|view| view.epoch)
}

/// Whether an actor that is up follows an older view than the newest.
fn is_one_behind<M: Mechanisms>(system: &System<M>) -> bool {
    let Some(newest) = newest(system) else { return false };
    system.actor_states.iter().any(|state| match &**state {
        RingState::Node(state) => state.view.epoch < newest.epoch,
        RingState::Gateway(state) => state.view.epoch < newest.epoch,
        RingState::Stopped
        | RingState::Coordinator(_)
        | RingState::Member(_)
        | RingState::Oracle(_)
        | RingState::Script(_) => false,
    })
}

fn entry(name: &'static str, about: &'static str, setup: Setup) -> Entry<Setup> {
    Entry { steps: Steps::Fair, ..Entry::new(name, about, setup) }
}

/// The models in which it is asked whether all ends.
pub fn models() -> Vec<Entry<Setup>> {
    let write = || Client::new(0, [Op::Increment(1)]);
    let read = |gateway| Client::new(gateway, [Op::Get]);
    let put = |gateway, value: &str| Client::new(gateway, [Op::Put(value.into())]);
    let planted = Planted::value(1, "1");
    let pair = |clients: &[Client]| Setup::new(clients.to_vec()).of_two().planted([0, 1], planted);
    vec![
        entry(
            "ends-ring",
            "any message may be lost, and any node or gateway may crash: every operation ends",
            Setup::new([write()]).attempts(4).crashes(1, Mortal::All).of_two(),
        ),
        entry(
            "ends-ring-three",
            "the same with three nodes, one of which may crash and need not come back",
            Setup::new([write()]).attempts(2).crashes(1, Mortal::Nodes),
        ),
        entry(
            "ends-ring-read",
            "a read that finds a write half done completes it, though a node may be down",
            Setup::new([read(0)])
                .planted([0], Planted::value(1, "a"))
                .attempts(2)
                .crashes(1, Mortal::Nodes),
        ),
        entry(
            "ends-ring-rivals",
            "two gateways write one key: each has its way, or has used up its attempts",
            Setup::new([put(0, "a"), put(1, "b")]).attempts(2).of_two(),
        ),
        entry(
            "ends-ring-joint",
            "a ring moves under a read; announcements and all else may be lost",
            pair(&[read(0)]).plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])]),
        ),
        entry(
            "ends-ring-joint-write",
            "the same under a write",
            pair(&[write()]).plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])]).attempts(3),
        )
        .deep(),
        entry(
            "ends-ring-joint-crash",
            "a ring moves, and a node crashes and comes back",
            pair(&[]).plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])]).crashes(1, Mortal::Nodes),
        ),
        entry(
            "ends-ring-join",
            "a node asks to join a ring, fetches, and is a member",
            pair(&[read(0)]).nodes(3).views(1, 2),
        ),
        entry(
            "ends-ring-leave",
            "a node leaves a ring of two",
            pair(&[read(0)]).views(1, 2).leaves(1),
        ),
    ]
}
